// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/transform.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <coroutine>
#include <cstddef>
#include <memory>
#include <new>

namespace rf::sync::detail {

/// The same as tried_wait, for operations that are so short when done at once that the stores which
/// make a waiter would be a third of them: it holds what is wanted of which primitive, and makes
/// the Wait, a waiter, when the task has to wait.
///
/// Derived has `bool try_now()`, which takes effect or does nothing, and `start_wait(Wait&)`, which
/// puts it in line. Wait is made from the primitive and what is wanted, is a friend, and leaves
/// nothing to destroy.
template <class Derived, class Primitive, class Wanted, class Wait>
class late_wait : public rf::detail::native_awaiter {
public:
    using selectable = void;

    late_wait(Primitive& of, Wanted wanted) noexcept : of_(&of), wanted_(wanted) {}
    /// Only before the wait has begun.
    late_wait(late_wait&& other) noexcept : of_(other.of_), wanted_(other.wanted_) {}
    late_wait& operator=(const late_wait&) = delete;
    ~late_wait() = default;

    [[nodiscard, gnu::always_inline]] bool await_ready() noexcept {
        return !Wait::cancel_requested() && rf::detail::spend_ready() && self().try_now();
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        prepare();
        if (!made().enter()) return;
        if (rf::detail::ready_spent() && self().try_now()) return made().resume();
        start();
    }

    // For select. The wait has to be made before it becomes a case.
    void prepare() noexcept { std::construct_at(reinterpret_cast<Wait*>(place_), *of_, wanted_); }
    void start() noexcept { self().start_wait(made()); }
    [[nodiscard]] waiter& as_waiter() noexcept { return made(); }

protected:
    [[nodiscard]] Primitive& of() const noexcept { return *of_; }
    [[nodiscard]] const Wanted& wanted() const noexcept { return wanted_; }

private:
    [[nodiscard]] Wait& made() noexcept { return *std::launder(reinterpret_cast<Wait*>(place_)); }
    [[nodiscard]] Derived& self() noexcept { return static_cast<Derived&>(*this); }

    Primitive* of_;
    Wanted wanted_;
    alignas(Wait) std::byte place_[sizeof(Wait)];
};

}  // namespace rf::sync::detail
