// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_scope.hpp>

namespace rf {

/// Runs `work` and cancels it when `limit` has passed since the co_await: its value, or
/// timeout_error once everything that ran under it is gone.
///
///     auto line = co_await rf::with_timeout(2s, reader.read_line());
///
/// `work` is a task, an operation, or a callable that returns either. A result that comes in time
/// to beat the cancel counts, even late. Cancellation from outside unwinds through and is no
/// timeout_error. A limit of zero or less cancels at the first wait.
/// Cost: two blocks from the frame pool; no allocation otherwise, no system call.
template <class Rep, class Period, detail::work W>
[[nodiscard]] task<detail::work_result<W>> with_timeout(
    std::chrono::duration<Rep, Period> limit, W work,
    std::source_location where = std::source_location::current());

/// The same, with a point in time.
template <detail::work W>
[[nodiscard]] task<detail::work_result<W>> with_deadline(
    clock::time_point when, W work, std::source_location where = std::source_location::current());

/// Runs `work` and gives up on it when `limit` has passed: its value, or nothing.
template <class Rep, class Period, detail::work W>
[[nodiscard]] task<if_finished<detail::work_result<W>>> move_on_after(
    std::chrono::duration<Rep, Period> limit, W work,
    std::source_location where = std::source_location::current());

/// The same, with a point in time.
template <detail::work W>
[[nodiscard]] task<if_finished<detail::work_result<W>>> move_on_at(
    clock::time_point when, W work, std::source_location where = std::source_location::current());

/// Runs `work` untouched by cancellation from outside, for at most `limit`: for the awaits that
/// cleanup needs. When the limit passes it is cancelled after all, and timeout_error is thrown.
/// The next wait after a shield in a cancelled scope unwinds.
template <class Rep, class Period, detail::work W>
[[nodiscard]] task<detail::work_result<W>> shield(
    std::chrono::duration<Rep, Period> limit, W work,
    std::source_location where = std::source_location::current());

// Implementation

namespace detail {

template <class W>
task<work_result<W>> run_until(scope_kind kind, time_limit limit, W work,
                               std::source_location where) {
    using result = work_result<W>;
    scope_node node(kind, where);
    node.set_deadline(limit.end());
    outcome<result> end;
    {
        scope_entry inside(node);
        end = co_await body_awaiter<result>(start_work(work), &node);
    }
    if (end.cancelled()) {
        if (!node.shielded()) co_await this_task::checkpoint();
        RF_THROW(timeout_error(std::chrono::nanoseconds(limit.span()), where));
    }
    co_return end.take();
}

template <class W>
task<if_finished<work_result<W>>> run_or_move_on(time_limit limit, W work,
                                                 std::source_location where) {
    scope_node node(scope_kind::timeout, where);
    node.set_deadline(limit.end());
    co_return co_await run_under<W>(node, work);
}

}  // namespace detail

template <class Rep, class Period, detail::work W>
task<detail::work_result<W>> with_timeout(std::chrono::duration<Rep, Period> limit, W work,
                                          std::source_location where) {
    return detail::run_until<W>(detail::scope_kind::timeout,
                                detail::time_limit::from_start(detail::to_nanoseconds(limit)),
                                std::move(work), where);
}

template <detail::work W>
task<detail::work_result<W>> with_deadline(clock::time_point when, W work,
                                           std::source_location where) {
    return detail::run_until<W>(detail::scope_kind::timeout,
                                detail::time_limit::at(detail::to_instant(when)), std::move(work),
                                where);
}

template <class Rep, class Period, detail::work W>
task<if_finished<detail::work_result<W>>> move_on_after(std::chrono::duration<Rep, Period> limit,
                                                        W work, std::source_location where) {
    return detail::run_or_move_on<W>(detail::time_limit::from_start(detail::to_nanoseconds(limit)),
                                     std::move(work), where);
}

template <detail::work W>
task<if_finished<detail::work_result<W>>> move_on_at(clock::time_point when, W work,
                                                     std::source_location where) {
    return detail::run_or_move_on<W>(detail::time_limit::at(detail::to_instant(when)),
                                     std::move(work), where);
}

template <class Rep, class Period, detail::work W>
task<detail::work_result<W>> shield(std::chrono::duration<Rep, Period> limit, W work,
                                    std::source_location where) {
    return detail::run_until<W>(detail::scope_kind::shield,
                                detail::time_limit::from_start(detail::to_nanoseconds(limit)),
                                std::move(work), where);
}

}  // namespace rf
