// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/transform.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace rf::detail {

/// Awaiters that have the waiter inside give it with as_waiter().
template <class A>
[[nodiscard]] waiter& waiter_of(A& awaiter) noexcept {
    if constexpr (std::derived_from<A, waiter>)
        return awaiter;
    else
        return awaiter.as_waiter();
}

template <class A>
concept selectable_awaiter = requires(A& awaiter) {
    typename A::selectable;
    awaiter.start();
    { waiter_of(awaiter) } -> std::same_as<waiter&>;
};

/// Takes effect if it can at once. The select has seen to cancellation and to giving way.
template <class Awaiter>
[[nodiscard]] bool try_case(Awaiter& awaiter) {
    if constexpr (requires { awaiter.try_now(); })
        return awaiter.try_now();
    else
        return awaiter.await_ready();
}

/// Awaiters that make their waiter only when they have to wait make it now.
template <class Awaiter>
void prepare_case(Awaiter& awaiter) noexcept {
    if constexpr (requires { awaiter.prepare(); }) awaiter.prepare();
}

/// One case of a select: an awaiter that can be taken back at once. Before any case starts, all are
/// prepared.
template <class Awaiter>
class select_case {
public:
    using result = decltype(std::declval<Awaiter&>().await_resume());

    template <class A>
        requires(!std::same_as<std::remove_cvref_t<A>, select_case>)
    explicit select_case(A&& awaitable) : awaiter_(get_awaiter(static_cast<A&&>(awaitable))) {}

    [[nodiscard]] bool ready() { return try_case(awaiter_); }
    void prepare() noexcept { prepare_case(awaiter_); }
    void start() noexcept { awaiter_.start(); }
    result take() { return awaiter_.await_resume(); }
    [[nodiscard]] waiter& wait() const noexcept { return waiter_of(awaiter_); }

private:
    mutable Awaiter awaiter_;  // describing reads it through the same door
};

/// as_result(operation): the same wait, the other ending.
template <class Awaiter>
class select_case<result_awaiter<Awaiter>> {
public:
    using result = decltype(std::declval<Awaiter&>().await_result());

    explicit select_case(result_awaiter<Awaiter>&& wrapped)
        : awaiter_(std::move(wrapped).unwrap()) {}

    [[nodiscard]] bool ready() { return try_case(awaiter_); }
    void prepare() noexcept { prepare_case(awaiter_); }
    void start() noexcept { awaiter_.start(); }
    result take() { return awaiter_.await_result(); }
    [[nodiscard]] waiter& wait() const noexcept { return waiter_of(awaiter_); }

private:
    mutable Awaiter awaiter_;  // describing reads it through the same door
};

template <class A>
struct unwrapped_awaiter {
    using type = A;
};
template <class A>
struct unwrapped_awaiter<result_awaiter<A>> {
    using type = A;
};

/// What select makes of its argument; refused with a sentence where it cannot be a case.
template <class A>
struct case_of {
    using awaiter = std::remove_cvref_t<awaiter_of<A>>;
    static_assert(!is_task_awaiter<awaiter>::value,
                  "a task cannot be a case of select, because what it has done by then cannot be "
                  "taken back: use rf::race");
    static_assert(
        is_task_awaiter<awaiter>::value ||
            selectable_awaiter<typename unwrapped_awaiter<awaiter>::type>,
        "this cannot be a case of select: it is with the kernel, or foreign, and cannot be taken "
        "back at once; use rf::race, or an operation that waits without effect");
    static_assert(has_member_co_await<A> || has_free_co_await<A> || !std::is_lvalue_reference_v<A>,
                  "a named operation becomes a case of select with std::move(name)");
    using type = select_case<awaiter>;
};
template <class A>
using case_of_t = typename case_of<A&&>::type;

}  // namespace rf::detail
