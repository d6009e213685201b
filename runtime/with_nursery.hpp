// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/nursery.hpp>

#include <functional>
#include <source_location>
#include <utility>

namespace rf {

/// Opens a nursery, runs `body(nursery&)` in it, and returns when the body and every child are
/// gone: with the body's value, or by throwing the first failure in time with its own type.
///
/// The body runs in the calling task and is the first member of the scope: a failing child cancels
/// it, and its own exception cancels the children. What the body refers to in the caller's frame
/// outlives the children; its own locals do not, so pass those by value.
///
/// Cancellation: a cancel point, even with no child. Cancelled from outside, it waits for the
///   children, which are being cancelled too, and then unwinds. If the nursery cancelled itself
///   (nursery::cancel) it returns; when the body then has no value, it throws cancelled_error.
template <class F>
    requires detail::task_callable<F&, nursery&>
[[nodiscard]] typename std::remove_cvref_t<std::invoke_result_t<F&, nursery&>> with_nursery(
    nursery_options options, F body, std::source_location where = std::source_location::current()) {
    using result = typename std::invoke_result_t<F&, nursery&>::value_type;
    nursery children(options, where);
    children.open(detail::slot.current->scope, detail::slot.current);
    detail::outcome<result> end =
        co_await detail::body_awaiter<result>(std::invoke(body, children), &children.scope());
    children.close_body(end.error());
    co_await detail::join_children(children);

    const cancel_cause cause = children.scope().cause();
    children.finish();
    std::exception_ptr failure = children.take_failure();
#if RF_EXCEPTIONS
    if (failure != nullptr) std::rethrow_exception(std::move(failure));
#endif
    co_await this_task::checkpoint();
    if constexpr (!std::is_void_v<result>) {
        if (!end.has_value())
            RF_THROW(cancelled_error("the nursery was cancelled before its body had a value: " +
                                         std::string(to_string(cause)),
                                     cause));
        co_return end.take();
    }
}

/// The same, with the default options: the first failure cancels the rest.
template <class F>
    requires detail::task_callable<F&, nursery&>
[[nodiscard]] auto with_nursery(F body,
                                std::source_location where = std::source_location::current()) {
    return with_nursery(nursery_options{}, std::move(body), where);
}

}  // namespace rf
