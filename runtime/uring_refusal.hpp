// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for the io_uring driver only

#include <ringfence/runtime/uring_syscalls.hpp>

#include <cstdint>
#include <string>

namespace rf::detail {

/// One sentence, cause and remedy, for a ring that could not be made. `error` is the positive
/// errno.
[[nodiscard]] std::string explain_setup_error(int error, const uring_syscalls& syscalls);

/// The same for a ring that was made by a kernel without what the library needs.
[[nodiscard]] std::string explain_old_kernel(std::uint32_t features_found);

/// The same for a word in RF_DISABLE that names nothing.
[[nodiscard]] std::string explain_unknown_feature(std::string_view name);

}  // namespace rf::detail
