// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/slot.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace rf {

namespace detail {

enum class guard_when : unsigned char { always, failure, success };

template <class F, guard_when When>
class scope_guard_base {
public:
    explicit scope_guard_base(F action) noexcept(std::is_nothrow_move_constructible_v<F>)
        : action_(std::move(action)) {}
    scope_guard_base(const scope_guard_base&) = delete;
    scope_guard_base& operator=(const scope_guard_base&) = delete;
    ~scope_guard_base() noexcept(When != guard_when::success) {
        if (!armed_) return;
        if constexpr (When == guard_when::always)
            action_();
        else if (failing() == (When == guard_when::failure))
            action_();
    }
    /// The action will not run.
    void dismiss() noexcept { armed_ = false; }

private:
    // A guard made by a destructor during unwinding is left normally, hence the two memories.
    [[nodiscard]] bool failing() const noexcept {
        return std::uncaught_exceptions() > exceptions_ || (slot.unwinding && !unwinding_);
    }

    F action_;
    int exceptions_ = std::uncaught_exceptions();
    bool unwinding_ = slot.unwinding;
    bool armed_ = true;
};

}  // namespace detail

/// Runs `action` when the block is left, however that happens. The action cannot await: for that,
/// see finally().
template <class F>
class [[nodiscard]] scope_exit : detail::scope_guard_base<F, detail::guard_when::always> {
public:
    explicit scope_exit(F action)
        : detail::scope_guard_base<F, detail::guard_when::always>(std::move(action)) {}
    using detail::scope_guard_base<F, detail::guard_when::always>::dismiss;
};

/// Runs `action` when the block is left by an exception or by cancellation.
template <class F>
class [[nodiscard]] scope_failure : detail::scope_guard_base<F, detail::guard_when::failure> {
public:
    explicit scope_failure(F action)
        : detail::scope_guard_base<F, detail::guard_when::failure>(std::move(action)) {}
    using detail::scope_guard_base<F, detail::guard_when::failure>::dismiss;
};

/// Runs `action` when the block is left normally: a commit.
template <class F>
class [[nodiscard]] scope_success : detail::scope_guard_base<F, detail::guard_when::success> {
public:
    explicit scope_success(F action)
        : detail::scope_guard_base<F, detail::guard_when::success>(std::move(action)) {}
    using detail::scope_guard_base<F, detail::guard_when::success>::dismiss;
};

}  // namespace rf
