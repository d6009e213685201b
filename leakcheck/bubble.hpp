// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/replay_token.hpp>
#include <ringfence/leakcheck/simulated_options.hpp>
#include <ringfence/runtime/detail/callable.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <utility>

namespace rf::leakcheck {

class leak_suppressions;

struct bubble_budget {
    std::uint32_t runs = 1000;
    std::chrono::milliseconds time{2'000};  // real time; the run in which it is over is finished
    std::uint32_t switches = 2;  // depth_first: switches away from a task that could go on
    std::uint32_t changes = 2;   // pct: changes of priority in a run
};

struct bubble_options {
    std::uint64_t seed = 1;
    leakcheck::explore explore = explore::none;
    bubble_budget budget{};
    /// A token that a failing run printed: that run and no other.
    std::string replay{};
    /// What the simulated kernel may do. Its seed is not used.
    simulated_options world = simulated_options::plain();
    /// Virtual time that a run may take.
    std::chrono::nanoseconds time_max = std::chrono::hours(24);
    /// A cycle or an orphan that has lasted that long in virtual time fails the run, though other
    /// tasks go on.
    std::chrono::nanoseconds patience = std::chrono::minutes(1);
    /// Simulated descriptors that fn opens beside those of I/O objects may be left open.
    bool leave_descriptors = false;
    /// A nursery that closes with a descriptor or a buffer still open that was opened inside it
    /// fails the run, also if somebody outside has it and will close it: for programs in which
    /// nothing is to leave its nursery.
    bool nurseries_leave_nothing = false;
    /// What a run may leave, and which tasks may wait for ever; null: nothing. Outlives the bubble.
    leak_suppressions* allowed = nullptr;
};

/// What a bubble has seen.
struct bubble_report {
    std::string failure;       // of the first run that failed; empty: none did
    std::string token;         // reproduces that run, or the last one
    std::exception_ptr error;  // what fn threw in that run
    std::uint32_t runs = 0;
    bool exhausted = false;  // depth_first: all schedules within the bounds have been run
    std::string unused;      // of what was allowed, what no run needed, unless one failed

    [[nodiscard]] bool ok() const noexcept { return failure.empty(); }
};

/// Runs `fn`, a function that returns a task<>, on a simulated kernel and in virtual time.
///
///     CHECK(rf::leakcheck::bubble(transfer_both_ways, {.explore = rf::leakcheck::explore::pct})
///               .failure == "");
///
/// Time jumps as soon as every task is durably blocked: in a sleep, at a mutex, a channel, a socket
/// of the simulated kernel, anything of this library. Where nothing can ever happen again, the run
/// fails at once with the proofs of wait_graph. It fails too if fn throws, or leaves a task, an
/// operation, a timer, a buffer or a descriptor behind, unless it is allowed to. Where all that can
/// never go on is allowed, the run ends there, by a cancel.
///
/// With `explore`, fn runs again and again until a run fails or the budget is spent, each time with
/// other decisions about which ready task goes on and what the kernel does first; then every await
/// is a place to switch. fn must do the same when the same is decided: no real time, no randomness
/// but loop::next_random(), no addresses that steer it, nothing left from the run before.
///
/// Threads: one; not inside rf::run. Other threads that fn starts are waited for, and make a run
///   that does not repeat.
template <class F>
[[nodiscard]] bubble_report bubble(F fn, const bubble_options& options = {});

namespace detail {

/// `co_await wait_all_blocked()`.
class [[nodiscard]] blocked_awaiter final : public waiter, public rf::detail::list_hook {
public:
    blocked_awaiter() noexcept = default;
    blocked_awaiter(blocked_awaiter&&) noexcept : waiter(), list_hook() {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept;
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        unlink();
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override;
    void owners(wait_owners& out) const override { out.outside(); }
    void all_blocked() noexcept { resume(); }
};

[[nodiscard]] bubble_report run_bubble(const std::function<task<>()>& fn,
                                       const bubble_options& options);

}  // namespace detail

/// In a bubble: waits until every other task is durably blocked and nothing happens any more unless
/// the clock moves. It does not move. Refused outside of bubbles.
[[nodiscard]] inline detail::blocked_awaiter wait_all_blocked() noexcept { return {}; }

/// In a bubble: lets `span` pass, and all that becomes due in it happen, its last instant included.
[[nodiscard]] task<> advance(std::chrono::nanoseconds span);

// Implementation

template <class F>
bubble_report bubble(F fn, const bubble_options& options) {
    static_assert(rf::detail::task_callable<F&>,
                  "bubble takes a function that returns rf::task<>: bubble(f), not bubble(f())");
    return detail::run_bubble([&fn]() -> task<> { return std::invoke(fn); }, options);
}

}  // namespace rf::leakcheck
