// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/timeout.hpp>

namespace rf {

struct finally_options {
    std::chrono::milliseconds limit{5'000};  // how long the cleanup may take
};

/// Runs `body`, and then `cleanup` on every exit: value, exception, cancellation.
///
///     co_await rf::finally([&] { return use(connection); },
///                          [&] { return connection.say_goodbye(); });
///
/// The cleanup is where a task awaits on its way out: it is shielded from cancellation, for at most
/// `limit`. Then the body's outcome goes on: its value, its exception, or the unwinding. If the
/// cleanup itself throws (timeout_error among that), its exception takes the place of the body's
/// value or of the unwinding, but not that of the body's exception.
template <detail::work Body, detail::work Cleanup>
[[nodiscard]] task<detail::work_result<Body>> finally(
    Body body, Cleanup cleanup, finally_options options = {},
    std::source_location where = std::source_location::current()) {
    using result = detail::work_result<Body>;
    detail::outcome<result> end = co_await detail::body_awaiter<result>(detail::start_work(body));
    detail::outcome<void> cleaned;
    {
        detail::scope_node guarded(detail::scope_kind::shield, where);
        guarded.set_deadline(detail::after(detail::to_nanoseconds(options.limit)));
        detail::scope_entry inside(guarded);
        cleaned = co_await detail::body_awaiter<void>(detail::discard_result(cleanup), &guarded);
    }
#if RF_EXCEPTIONS
    if (end.failed()) std::rethrow_exception(end.error());
#endif
    if (cleaned.cancelled()) RF_THROW(timeout_error(options.limit, where));
    cleaned.take();
    if (end.cancelled()) co_await this_task::checkpoint();
    RF_ASSERT(!end.cancelled(), "a body was unwound in a scope that is not cancelled");
    co_return end.take();
}

}  // namespace rf
