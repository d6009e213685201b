// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/timer_wheel.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <tuple>

namespace rf::leakcheck {

struct verdict_watch_options {
    std::chrono::nanoseconds interval = std::chrono::seconds(10);  // between looks
    /// Proofs that are younger wait for the next look: a cancel may be on its way. So do likely
    /// cycles: who has the guard may be about to give it back.
    std::chrono::nanoseconds patience = std::chrono::seconds(1);
    wait_graph_options graph{};
};

struct verdict_watch_statistics {
    std::uint64_t looks = 0;
    std::uint64_t told = 0;
    std::uint64_t tasks_stuck = 0;  // at the last look
};

/// Makes the wait-for graph of a running loop every few seconds, and says what is new in it.
///
///     rf::leakcheck::verdict_watch verdicts;    // in a task: of this loop, while it lives
///
/// A verdict on a line is told once, again when twice as many tasks are under it, and anew after it
/// had gone. Each is told with the last events of the loop, if it records them.
///
/// It is no task and keeps nobody waiting: a loop on which nothing else is pending is quiescent,
/// deadlocks are reported as without it.
///
/// Threads: one loop; made and destroyed while it is there.
/// Errors: an interval of zero or less throws std::invalid_argument.
/// Cost: a wait_graph an interval, a few hundred nanoseconds a task, during which no task runs; and
///   an armed timer, which a loop that has no other notices: each of its sleeps gets a deadline,
///   about half a microsecond. Memory only for what has been told.
class verdict_watch {
public:
    explicit verdict_watch(verdict_watch_options options = {});
    verdict_watch(const verdict_watch&) = delete;
    verdict_watch& operator=(const verdict_watch&) = delete;
    ~verdict_watch();

    /// A look now. Returns how many findings were new, and told.
    std::size_t look();

    /// Hears of what is new instead of standard error, in the loop, outside any task. The text ends
    /// with the last events. Must not throw.
    void on_finding(std::function<void(const wait_finding&)> handler);

    [[nodiscard]] const verdict_watch_statistics& statistics() const noexcept { return seen_; }

private:
    /// A verdict, and the line that its first task waits at.
    using place = std::tuple<verdict, std::string_view, std::uint_least32_t>;
    struct told {
        std::size_t tasks_told = 0;
        std::size_t tasks_now = 0;  // while looking: so far
    };
    struct own_timer : timer {
        verdict_watch* self = nullptr;
    };

    void arm();
    void tell(const wait_finding& finding) const;

    verdict_watch_options options_;
    loop& loop_;
    own_timer timer_;
    std::function<void(const wait_finding&)> handler_;
    std::map<place, told> told_;
    verdict_watch_statistics seen_;
};

}  // namespace rf::leakcheck
