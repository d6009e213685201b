// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/uring_options.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace rf {

/// Makes the driver to the real kernel, for the calling thread and for its life.
///
/// Returns null where io_uring is not to be had: forbidden, too old, no memory, no descriptor, or
/// RF_DISABLE names what does not exist. `refusal` is then one sentence with cause and remedy.
[[nodiscard]] std::unique_ptr<driver> make_uring_driver(const uring_options& options,
                                                        std::string& refusal);

/// What a driver has done and holds; for tests, benches and reports.
struct uring_statistics {
    std::uint64_t enters = 0;       // system calls made to hand over, collect and sleep
    std::uint64_t submitted = 0;    // requests the kernel took
    std::uint64_t completions = 0;  // completions taken from the queue, the driver's own included
    std::uint64_t in_flight = 0;    // requests taken whose last completion has not been reaped
    std::uint64_t refusals = 0;     // times the kernel took nothing (EBUSY, EAGAIN)
    std::size_t kept_aside = 0;     // entries the ring has no room for
    std::uint32_t files = 0;        // descriptors that have a slot of the ring
    std::uint32_t sq_entries = 0;
    std::uint32_t cq_entries = 0;
};

}  // namespace rf
