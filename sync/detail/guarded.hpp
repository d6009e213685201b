// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/callable.hpp>
#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/result.hpp>

#include <functional>
#include <utility>

namespace rf::sync::detail {

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<rf::result<T>> = true;

/// The call as a task, for what awaits it as the body of something: `fn` and the arguments are the
/// caller's, and stay.
template <class F, class... Args>
auto call_task(F& fn, Args&... args) -> task<rf::detail::call_result<F&, Args...>> {
    if constexpr (rf::detail::task_callable<F&, Args...>)
        return std::invoke(fn, std::move(args)...);
    else
        return rf::detail::await_it(std::invoke(fn, std::move(args)...));
}

/// Whether a callable that returns rf::result ended with a value. For one that ended.
template <class T>
[[nodiscard]] bool succeeded(const rf::detail::outcome<rf::result<T>>& end) noexcept {
    return end.has_value() && end.peek().has_value();
}

/// What `owner.guard(fn)` returns: called, it gives a task that lets `owner` decide, and calls
/// `fn`. Can be called again and again, and guarded again.
///
/// The task of a call on a temporary takes the callable along; of a call on a named one it refers
/// to it. Arguments move into the task, as with nursery::spawn.
template <class Owner, class F>
class [[nodiscard("a guarded callable does nothing until it is called")]] guarded {
public:
    // Has a constructor because GCC 12 destroys a temporary aggregate twice in an awaiting
    // expression.
    guarded(Owner& owner, F fn) : owner_(&owner), fn_(std::move(fn)) {}

    template <class... Args>
        requires rf::detail::async_callable<F&, Args...>
    [[nodiscard]] task<rf::detail::call_result<F&, Args...>> operator()(Args... args) & {
        using result = rf::detail::call_result<F&, Args...>;
        return Owner::template guarded_call<result, F&>(owner_, fn_, std::move(args)...);
    }
    template <class... Args>
        requires rf::detail::async_callable<F&, Args...>
    [[nodiscard]] task<rf::detail::call_result<F&, Args...>> operator()(Args... args) && {
        using result = rf::detail::call_result<F&, Args...>;
        return Owner::template guarded_call<result, F>(owner_, std::move(fn_), std::move(args)...);
    }

private:
    Owner* owner_;
    F fn_;
};

}  // namespace rf::sync::detail
