// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace rf {
class waiter;
template <class T>
class task;
}  // namespace rf

namespace rf::detail {

template <class T>
class task_awaiter;
template <class Awaiter>
class foreign_awaiter;

/// Derive from this to mark an awaiter as one of ours that is not itself a waiter: it transfers to
/// frames of ours, or is always ready.
struct native_awaiter {};

template <class A>
concept has_member_co_await = requires(A&& a) { static_cast<A&&>(a).operator co_await(); };
template <class A>
concept has_free_co_await = requires(A&& a) { operator co_await(static_cast<A&&>(a)); };

template <class A>
struct is_task_awaiter : std::false_type {};
template <class T>
struct is_task_awaiter<task_awaiter<T>> : std::true_type {};

template <class A>
inline constexpr bool is_named_task = false;
template <class T>
inline constexpr bool is_named_task<task<T>&> = true;
template <class T>
inline constexpr bool is_named_task<const task<T>&> = true;

/// Awaiters that speak our protocol; all others are wrapped, and shown as foreign.
template <class A>
concept native = std::derived_from<std::remove_cvref_t<A>, waiter> ||
                 std::derived_from<std::remove_cvref_t<A>, native_awaiter> ||
                 is_task_awaiter<std::remove_cvref_t<A>>::value;

/// An awaiter that derives from rf::waiter in a way that nobody outside can see: it was meant to be
/// one of ours, and as a foreign one it would wait without a deadline or a cancel.
template <class A>
inline constexpr bool hides_waiter = std::is_base_of_v<waiter, std::remove_cvref_t<A>> &&
                                     !std::derived_from<std::remove_cvref_t<A>, waiter>;

template <class A>
decltype(auto) get_awaiter(A&& awaitable) {
    if constexpr (has_member_co_await<A>)
        return static_cast<A&&>(awaitable).operator co_await();
    else if constexpr (has_free_co_await<A>)
        return operator co_await(static_cast<A&&>(awaitable));
    else
        return static_cast<A&&>(awaitable);
}

template <class A>
using awaiter_of = decltype(get_awaiter(std::declval<A>()));

/// What `co_await awaitable` yields.
template <class A>
using await_result_t =
    decltype(std::declval<std::remove_reference_t<awaiter_of<A>>&>().await_resume());

template <class A>
concept awaitable = requires(std::remove_reference_t<awaiter_of<A>>& awaiter) {
    { awaiter.await_ready() } -> std::convertible_to<bool>;
    awaiter.await_resume();
};

/// Awaits an awaiter where it stands: a temporary lives to the end of the co_await expression, and
/// GCC 12 would copy it into the frame if it were handed on by reference.
template <class Awaiter>
class awaiter_reference {
public:
    explicit awaiter_reference(Awaiter& awaiter) noexcept : awaiter_(awaiter) {}
    // In line, for what need not wait: Clang makes a call of it otherwise, once it is not small.
    [[nodiscard, gnu::always_inline]] bool await_ready() { return awaiter_.await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting) {
        return awaiter_.await_suspend(awaiting);
    }
    decltype(auto) await_resume() { return awaiter_.await_resume(); }

private:
    Awaiter& awaiter_;
};

template <class A>
consteval void refuse_hidden_waiter() {
    static_assert(!hides_waiter<A>,
                  "an awaiter derives from rf::waiter publicly and once, `class op : public "
                  "rf::waiter`, or its waits could be neither cancelled nor shown");
}

/// What a promise does with the operand of co_await. Returns a reference for what is an awaiter
/// already (no move, so awaiters need not be movable) and a prvalue for the rest.
template <class A>
decltype(auto) transform_awaitable(A&& value) {
    if constexpr (is_named_task<A&&>) {
        static_assert(
            !is_named_task<A&&>,
            "a named task is awaited with co_await std::move(name): awaiting consumes it");
        return std::suspend_never();  // one error is enough
    } else if constexpr (native<A> && !has_member_co_await<A>) {
#if defined(__clang__)
        return static_cast<A&&>(value);  // it would keep the proxy in the frame
#else
        return awaiter_reference<std::remove_reference_t<A>>(value);
#endif
    } else if constexpr (has_member_co_await<A> || has_free_co_await<A>) {
        if constexpr (native<awaiter_of<A>>)
            return get_awaiter(static_cast<A&&>(value));
        else {
            refuse_hidden_waiter<awaiter_of<A>>();
            return foreign_awaiter<std::remove_cvref_t<awaiter_of<A>>>(
                [&]() -> decltype(auto) { return get_awaiter(static_cast<A&&>(value)); });
        }
    } else if constexpr (hides_waiter<A>) {
        refuse_hidden_waiter<A>();
        return std::suspend_never();
    } else if constexpr (!awaitable<A>) {
        static_assert(awaitable<A>,
                      "co_await needs a task, an operation of ringfence, or a C++20 awaitable");
        return std::suspend_never();
    } else {
        return foreign_awaiter<std::remove_reference_t<A>&>(
            [&]() -> std::remove_reference_t<A>& { return value; });
    }
}

}  // namespace rf::detail
