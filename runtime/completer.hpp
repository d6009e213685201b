// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/callback_state.hpp>

#include <concepts>
#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace rf {

/// A wait of from_callback() that nobody will complete: every completer was dropped, or one said
/// cancelled() though no cancel was asked for.
class broken_callback : public std::runtime_error {
public:
    broken_callback()
        : std::runtime_error("a callback will never be called: every completer of the wait was "
                             "dropped, or told cancelled() unasked") {}
};

/// The right to complete one from_callback() wait. Copyable; all copies complete the same wait.
///
/// The first call of complete(), fail() or cancelled() on any copy counts, later ones change
/// nothing and return false. Dropping the last copy without one completes the wait too: with
/// broken_callback, or, if the wait was cancelled, by unwinding.
///
/// Threads: any, at the same time; the copies may outlive the task and the loop.
/// Cost: a copy is an atomic increment.
template <class T>
class completer {
public:
    explicit completer(detail::callback_state<T>& state) noexcept : state_(&state) {
        state.add_completer();
    }
    completer(const completer& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) state_->add_completer();
    }
    completer(completer&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    completer& operator=(completer other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~completer() {
        if (state_ != nullptr) state_->drop_completer();
    }

    /// The operation took effect; the task goes on with the value (none for void).
    template <class... Value>
    bool complete(Value&&... value) const {
        static_assert(sizeof...(Value) == (std::is_void_v<T> ? 0 : 1),
                      "completer<T>::complete takes the one value that from_callback<T> returns");
        if constexpr (std::is_void_v<T>)
            return finish(detail::outcome<T>::success(unit{}), false);
        else if constexpr (std::is_reference_v<T>)
            return finish(detail::outcome<T>::success(&value...), false);
        else
            return finish(detail::outcome<T>::success(T(std::forward<Value>(value)...)), false);
    }
    /// The operation failed; the task throws `error`.
    bool fail(std::exception_ptr error) const {
        return finish(detail::outcome<T>::failure(std::move(error)), false);
    }
    /// The operation ended as the cancel asked, without effect; the task unwinds.
    bool cancelled() const { return finish(detail::outcome<T>(), true); }

private:
    bool finish(detail::outcome<T>&& end, bool without_effect) const {
        RF_ASSERT(state_ != nullptr, "a completer that was moved from was completed");
        return state_->finish(std::move(end), without_effect);
    }

    detail::callback_state<T>* state_;
};

}  // namespace rf
