// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace rf {

/// Stands for void where a value is needed: in tuples, variants and optionals of results.
struct unit {
    friend bool operator==(unit, unit) noexcept = default;
};

namespace detail {

template <class T>
using storable = std::conditional_t<std::is_void_v<T>, unit, T>;

/// How a body ended: with a value, with an exception, or cancelled. The value of a T& is a pointer.
template <class T>
class outcome {
public:
    using stored = std::conditional_t<std::is_reference_v<T>,
                                      std::add_pointer_t<std::remove_reference_t<T>>, storable<T>>;

    outcome() noexcept = default;  // cancelled
    outcome(outcome&&) = default;
    /// By construction, so that a T need not be assignable.
    outcome& operator=(outcome&& other) noexcept(std::is_nothrow_move_constructible_v<stored>) {
        value_.reset();
        error_ = std::move(other.error_);
        if (other.value_) value_.emplace(std::move(*other.value_));
        return *this;
    }
    [[nodiscard]] static outcome success(stored value) {
        outcome result;
        result.value_.emplace(std::move(value));
        return result;
    }
    [[nodiscard]] static outcome failure(std::exception_ptr error) noexcept {
        outcome result;
        result.error_ = std::move(error);
        return result;
    }

    [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }
    [[nodiscard]] bool failed() const noexcept { return error_ != nullptr; }
    [[nodiscard]] bool cancelled() const noexcept { return !has_value() && !failed(); }
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return error_; }

    [[nodiscard]] stored&& stored_value() noexcept { return std::move(*value_); }
    [[nodiscard]] const stored& peek() const noexcept { return *value_; }

    /// The value, or the exception thrown. Not for a cancelled outcome.
    T take() {
#if RF_EXCEPTIONS
        if (error_ != nullptr) std::rethrow_exception(std::move(error_));
#endif
        if constexpr (std::is_void_v<T>)
            return;
        else if constexpr (std::is_reference_v<T>)
            return static_cast<T>(**value_);
        else
            return std::move(*value_);
    }

private:
    std::optional<stored> value_;
    std::exception_ptr error_;
};

}  // namespace detail
}  // namespace rf
