// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/owned.hpp>

#include <csignal>
#include <cstdint>
#include <functional>
#include <string>

namespace rf::leakcheck {

/// A task that held the loop for too long.
struct stall {
    std::chrono::nanoseconds held_for{};      // so far, at least
    std::chrono::nanoseconds on_processor{};  // of that; the rest it slept in a call
    std::uint64_t task = 0;  // 0: it had just given the loop back, or no stack was taken
    /// The report in full: shard, task, how long, both stacks, one line of advice.
    std::string text;
    int shard = -1;  // whose loop it is; -1: there are none
};

struct stall_options {
    std::chrono::nanoseconds threshold = std::chrono::milliseconds(25);
    std::uint32_t reports_per_minute = 5;
    /// Sent to the loop's thread, to take its stack. One that is ignored by default, so that it
    /// harms nobody; programs that use it themselves choose another. 0: none is sent, and reports
    /// come without stacks.
    int signal = SIGURG;
    /// Hears of each stall instead of standard error, on the detector's own thread. Must not throw.
    std::function<void(const stall&)> on_stall{};
};

struct stall_statistics {
    std::uint64_t looks = 0;
    std::uint64_t stalls = 0;
    std::uint64_t suppressed = 0;  // of those, beyond reports_per_minute
};

/// Tells of tasks that hold the loop: that compute for long, or call what blocks, while all others
/// wait.
///
///     rf::leakcheck::stall_detector watch;      // in a task: of this loop, while it lives
///
/// A thread looks at the loop's beat five times in each threshold. When a task has held the loop
/// for that long, it says so once, while the task still does: which task, its chain of co_await
/// lines, and the stack of the thread. So it names a loop without end too. A stall that lasts a
/// quarter longer than the threshold is always found; shorter ones may be. Time in which the thread
/// could have run and the machine ran others is not the task's, and is not counted.
///
/// Off unless made: it has a thread and a signal handler, which no program should find it has by
/// surprise.
///
/// Threads: made and destroyed on the loop's thread, while the loop is there. One per loop.
/// Errors: a threshold below a millisecond throws std::invalid_argument.
/// Cost: for tasks nothing beyond the beat, one relaxed store a resumption, that is always there.
///   The thread wakes every fifth of the threshold, about 0.4 % of a processor at 25 ms.
class stall_detector {
public:
    explicit stall_detector(stall_options options = {});
    stall_detector(const stall_detector&) = delete;
    stall_detector& operator=(const stall_detector&) = delete;
    ~stall_detector();

    /// Any thread.
    [[nodiscard]] stall_statistics statistics() const noexcept;

private:
    class watching;
    rf::detail::owned<watching> watching_;
};

}  // namespace rf::leakcheck
