// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rf {

/// How many processors this process can keep busy: those its affinity allows, or as many as its
/// cgroup pays for (cpu.max, or cpu.cfs_quota_us of version 1, of the cgroup and those around it;
/// parts of one count as one), whichever is less. At least 1. Reads files; threads: any.
[[nodiscard]] std::uint32_t usable_processors() noexcept;

namespace detail {

/// The numbers of the processors that the calling thread may run on.
[[nodiscard]] std::vector<int> allowed_processors();

/// What the cgroups of this process pay for, by the files below `root` ("" for the system's); 0: no
/// limit.
[[nodiscard]] std::uint32_t processors_paid_for(const std::string& root);

}  // namespace detail
}  // namespace rf
