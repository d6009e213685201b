// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/sync/detail/guarded.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstdint>
#include <exception>
#include <source_location>
#include <utility>

namespace rf::sync {

struct retry_budget_options {
    double per_call = 0.1;      // retries that each call earns
    std::int64_t reserve = 10;  // retries that can be saved, and are there at first
};

struct retry_statistics {
    std::uint64_t calls = 0;          // of retry()
    std::uint64_t attempts = 0;       // of the callable
    std::uint64_t succeeded = 0;      // calls
    std::uint64_t gave_up = 0;        // calls that failed for want of attempts
    std::uint64_t not_worth = 0;      // ... because the predicate said no
    std::uint64_t out_of_time = 0;    // ... because the deadline came before the next attempt
    std::uint64_t out_of_budget = 0;  // ... because the budget was spent
};

/// Retries that many calls share, so that a service that is down gets few of them: each call earns
/// a part of one. Lifetime: outlives the calls. Threads: one loop.
class retry_budget {
public:
    /// A negative part or reserve, or neither, throws std::invalid_argument.
    explicit retry_budget(retry_budget_options options = {},
                          std::source_location made = std::source_location::current());

    void earn() noexcept;
    /// Whether there was a retry to spend, which it then is.
    [[nodiscard]] bool spend() noexcept;
    /// How many retries are there now.
    [[nodiscard]] double available() const noexcept { return available_; }
    /// Of all calls that share it.
    [[nodiscard]] const retry_statistics& statistics() const noexcept { return counts_; }

private:
    friend class retry_run;
    retry_budget_options options_;
    double available_;
    retry_statistics counts_;
};

/// How often, how soon and what. Trivially destroyed, so that it can be written in an awaiting
/// expression.
struct retry_policy {
    std::int64_t attempts = 3;  // in all, the first one among them
    std::chrono::nanoseconds base = std::chrono::milliseconds(100);  // the shortest delay
    std::chrono::nanoseconds cap = std::chrono::seconds(10);         // the longest
    /// Which exceptions are worth another attempt. Null: all but cancelled_error.
    bool (*retry_if)(const std::exception_ptr&) = nullptr;
    retry_budget* budget = nullptr;          // shared between calls
    retry_statistics* statistics = nullptr;  // counted into, if set
};

/// The part of one retry() that does not depend on the callable.
class retry_run {
public:
    explicit retry_run(const retry_policy& policy, std::source_location where);
    void attempt() noexcept { count(&retry_statistics::attempts); }
    void succeeded() noexcept { count(&retry_statistics::succeeded); }
    /// After a failure: whether to try again, after delay(). `error` null: a result with an error.
    [[nodiscard]] bool again(const std::exception_ptr& error);
    [[nodiscard]] std::chrono::nanoseconds delay() const noexcept { return delay_; }

private:
    void count(std::uint64_t retry_statistics::* what) noexcept;
    [[nodiscard]] bool worth(const std::exception_ptr& error) const;

    retry_policy policy_;
    std::int64_t attempts_ = 0;
    std::chrono::nanoseconds delay_;
};

/// Calls `fn()` until it succeeds, with growing, random delays between the attempts; its value, or
/// the last failure.
///
///     auto page = co_await rf::sync::retry({.attempts = 5}, fetch_page);
///     co_await rf::with_timeout(2s, rf::sync::retry(policy, breaker.guard(limit.guard(call))));
///
/// Delays are "decorrelated jitter": each is drawn between `base` and three times the one before,
/// up to `cap`. Failures are exceptions, and results of type rf::result that hold an error.
/// Deadlines: an attempt that could only begin after the deadline of the scope is not waited for;
///   the last failure is thrown at once.
/// Cancellation: cancels the attempt or the delay, and is never retried.
/// Errors: fewer than 1 attempt, a base below 0 or above the cap: std::invalid_argument, when
///   awaited. The budget and the statistics outlive the call. Cost: two blocks from the frame pool.
template <class F>
    requires rf::detail::async_callable<F&>
[[nodiscard]] task<rf::detail::call_result<F&>> retry(
    retry_policy policy, F fn, std::source_location where = std::source_location::current()) {
    using value = rf::detail::call_result<F&>;
    retry_run run(policy, where);
    for (;;) {
        run.attempt();
        rf::detail::outcome<value> end;
        RF_TRY { end = co_await rf::detail::body_awaiter<value>(detail::call_task(fn)); }
        RF_CATCH(...) { end = rf::detail::outcome<value>::failure(std::current_exception()); }
        if (end.cancelled()) co_await this_task::checkpoint();
        bool good = end.has_value();
        if constexpr (detail::is_result<value>) good = detail::succeeded(end);
        if (good) run.succeeded();
        if (good || !run.again(end.error())) co_return end.take();
        co_await sleep_for(run.delay());
    }
}

}  // namespace rf::sync
