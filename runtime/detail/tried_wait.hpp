// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <coroutine>
#include <utility>

namespace rf::detail {

/// The await of an operation that is done at once where it can be, and waits where not. Derived has
/// `bool try_now()`, which takes effect or does nothing, and `start()`, which begins to wait.
///
/// A task whose operations are always done at once gives way to others from time to time.
template <class Derived, class Base = waiter>
class tried_wait : public Base {
public:
    using selectable = void;
    using Base::Base;

    [[nodiscard, gnu::always_inline]] bool await_ready() noexcept(
        noexcept(std::declval<Derived&>().try_now())) {
        return !this->cancel_requested() && self().has_turn() && self().try_now();
    }
    void await_suspend(std::coroutine_handle<>) noexcept(
        noexcept(std::declval<Derived&>().try_now())) {
        if (!this->enter()) return;
        if (ready_spent() && self().try_now()) return this->resume();
        self().start();
    }

protected:
    tried_wait() noexcept = default;
    tried_wait(tried_wait&&) noexcept = default;
    ~tried_wait() = default;

    /// Whether the task may go on without giving way, if this can be done at once.
    [[nodiscard]] static bool has_turn() noexcept { return spend_ready(); }

private:
    [[nodiscard]] Derived& self() noexcept { return static_cast<Derived&>(*this); }
};

}  // namespace rf::detail
