// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace echo {

/// What the scheduler has given a process or a thread, in nanoseconds. The tick counters
/// of /proc/PID/stat are too coarse for runs of half a second.
struct processor_time {
    std::uint64_t running = 0;
    std::uint64_t waiting = 0;  // ready to run, while others ran
};

/// Of all threads of a process together. Zero where it cannot be read.
[[nodiscard]] processor_time processor_time_of(int process);

/// Of one thread of any process. Zero where it cannot be read.
[[nodiscard]] processor_time processor_time_of_thread(int thread);

}  // namespace echo
