// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace rf {

/// What one loop has in hand, and has had. Kept always, by plain stores on the loop's thread.
struct accounting {
    std::uint64_t tasks_live = 0;
    std::uint64_t tasks_started = 0;  // ever
    std::uint64_t tasks_peak = 0;
    /// Of those, unwound as a whole. One that gave up on a part of its work, in a timeout, a race
    /// or a cancel_scope of its own, and went on was not cancelled.
    std::uint64_t tasks_cancelled = 0;
    std::uint64_t tasks_failed = 0;  // of those, ended by an exception
    std::uint64_t operations = 0;    // requests the kernel holds, cancels among them
    std::uint64_t operations_started = 0;
    std::uint64_t timers = 0;       // armed
    std::uint64_t buffers = 0;      // ring buffers out of their ring: in a socket's queue or in use
    std::uint64_t descriptors = 0;  // opened by this loop's objects and not closed
    std::uint64_t offload_jobs = 0;  // queued or running on the offload pool

    /// Whether nothing is in hand: law 6 demands it when a run ends.
    [[nodiscard]] bool empty() const noexcept {
        return tasks_live == 0 && operations == 0 && timers == 0 && buffers == 0 &&
               descriptors == 0 && offload_jobs == 0;
    }

    /// "0 tasks, 0 operations, 0 timers, 0 buffers, 0 descriptors": the exit receipt.
    [[nodiscard]] std::string receipt() const;
};

}  // namespace rf
