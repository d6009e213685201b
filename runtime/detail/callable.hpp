// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/task.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace rf::detail {

template <class F, class... Args>
concept task_callable = std::invocable<F, Args...> && is_task<std::invoke_result_t<F, Args...>>;

/// A callable that returns an operation, or a foreign awaitable. One that returns a reference to a
/// task is none: it would hand the same task out twice.
template <class F, class... Args>
concept operation_callable =
    std::invocable<F, Args...> && !is_task<std::remove_cvref_t<std::invoke_result_t<F, Args...>>> &&
    awaitable<std::invoke_result_t<F, Args...>>;

/// A plain function that takes its arguments by value, as the very types they are stored as: its
/// frame has copies of all it needs, and nobody else has to keep them.
template <class F, class... Args>
inline constexpr bool keeps_arguments = false;
template <class R, class... Params>
inline constexpr bool keeps_arguments<task<R> (*)(Params...), Params...> =
    (!std::is_reference_v<Params> && ...);

/// What a child of a nursery may be made of.
template <class F, class... Args>
concept async_callable = task_callable<F, Args...> || operation_callable<F, Args...>;

template <class A>
using operation_result = std::remove_cvref_t<await_result_t<A>>;

template <class R>
struct awaited {
    using type = operation_result<R>;
};
template <class T>
struct awaited<task<T>> {
    using type = T;
};

/// What awaiting the result of the call yields.
template <class F, class... Args>
using call_result = typename awaited<std::invoke_result_t<F, Args...>>::type;

template <class A>
task<operation_result<A>> await_it(A operation) {
    co_return co_await std::move(operation);
}

/// Awaits the operation that `fn()` returns.
template <class F>
task<call_result<F&>> await_call(F fn) {
    co_return co_await fn();
}

}  // namespace rf::detail
