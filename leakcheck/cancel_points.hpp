// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/simulated_options.hpp>
#include <ringfence/runtime/detail/callable.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace rf::leakcheck {

/// What for_each_cancel_point does to a program. The first four say when a cancel comes, and are
/// combined with each of the three that say from where; the rest are faults, each alone.
enum class injection : std::uint32_t {
    before_submit = 1,     // before the task comes to the await
    cancel_wins = 2,       // while it waits, and the wait has no effect
    completion_wins = 4,   // while it waits, and the wait takes effect all the same
    in_cleanup = 8,        // and once more, from outside, at the next wait of its cleanup
    by_own_scope = 16,     // the innermost scope around the task that somebody could cancel
    by_parent = 32,        // all of fn
    by_deadline = 64,      // the own scope, because its time is over
    error = 128,           // a request fails: each, with each error of its kind; see below
    short_transfer = 256,  // one read or write moves a single byte; and all of them
    no_memory = 512,       // one coroutine frame or task record cannot be allocated
};
[[nodiscard]] constexpr injection operator|(injection a, injection b) noexcept {
    return static_cast<injection>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr bool operator&(injection a, injection b) noexcept {
    return (static_cast<std::uint32_t>(a) & static_cast<std::uint32_t>(b)) != 0;
}
inline constexpr injection all_cancels = static_cast<injection>(127);
inline constexpr injection all_faults = static_cast<injection>(128 + 256 + 512);
inline constexpr injection everything = static_cast<injection>(1023);

struct cancel_point_options {
    injection variants = everything;
    /// Virtual time that fn may take from the moment it is cancelled as a whole.
    std::chrono::nanoseconds unwind_max = std::chrono::minutes(1);
    std::uint32_t runs_max = 100'000;  // then the rest is left out, see `complete`
    /// A token that a failure printed: that run and no other.
    std::string replay{};
    simulated_options world = simulated_options::plain();
    /// What a run may leave, as for bubble(); null: nothing. Outlives the call.
    leak_suppressions* allowed = nullptr;
};

struct cancel_point_report {
    std::string failure;  // of the first run that failed; empty: none did
    std::string token;    // reproduces it
    std::uint32_t runs = 0;
    std::uint32_t awaits_executed = 0;  // by the run in which nothing was injected
    std::uint32_t awaits_injected = 0;  // of these, with at least one cancel delivered there
    std::uint32_t cancels = 0;          // delivered in all
    std::uint32_t faults = 0;           // errors, short transfers and failed allocations
    bool complete = true;               // false: a failure or runs_max cut it off
    std::string unused;  // of what was allowed, what no run needed, if it is complete

    [[nodiscard]] bool ok() const noexcept { return failure.empty(); }
    /// "18 of 18 awaits, 193 cancels, 41 faults, 235 runs", and whether it was cut off.
    [[nodiscard]] std::string coverage() const;
};

/// Runs `fn` in a bubble once to see where it awaits, and then once for each await of every task
/// and each variant, with a cancel delivered there, or a fault.
///
///     const auto report = rf::leakcheck::for_each_cancel_point(transfer);
///     CHECK_MESSAGE(report.ok(), report.failure);
///     CHECK(report.awaits_injected == report.awaits_executed);
///
/// After each run nothing may be left: no task, operation, timer, buffer, descriptor or frame; the
/// run may not deadlock; and where all of fn was cancelled, it has to end within unwind_max of
/// virtual time. fn may throw: what it does about errors is its own affair.
///
/// The errors are those of the manual pages, by what the request does and to what: a connection
/// that was given up on (ETIMEDOUT), no descriptors left for accept() (EMFILE, ENFILE), a full
/// disk. The first 16 requests of an opcode at one kind of descriptor fail with each of theirs, at
/// most eight; later ones with one each, in rotation.
///
/// Cost: a run for each await and each of up to 12 ways a cancel can come; for each request up to
/// 8;
///   for each transfer and each frame one. At most runs_max.
///
/// An await is counted where the task gives control away; those that could be done at once give way
/// here too. A cancel from outside that comes while no task is at an await is that of the await
/// that follows. fn must do the same when the same happens, as in bubble(), and is not inside of
/// rf::run.
template <class F>
[[nodiscard]] cancel_point_report for_each_cancel_point(F fn,
                                                        const cancel_point_options& options = {});

// Implementation

namespace detail {
[[nodiscard]] cancel_point_report run_cancel_points(const std::function<task<>()>& fn,
                                                    const cancel_point_options& options);
}  // namespace detail

template <class F>
cancel_point_report for_each_cancel_point(F fn, const cancel_point_options& options) {
    static_assert(rf::detail::task_callable<F&>,
                  "for_each_cancel_point takes a function that returns rf::task<>");
    return detail::run_cancel_points([&fn]() -> task<> { return std::invoke(fn); }, options);
}

}  // namespace rf::leakcheck
