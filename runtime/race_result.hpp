// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/gather.hpp>

#include <cstddef>
#include <exception>
#include <utility>

namespace rf {

/// Who won a race over a vector of work, and with what. rf::unit stands for void.
template <class T>
struct race_winner {
    std::size_t index;
    detail::held<T> value;
};

/// What one racer of race_keep_all() came to: a value, a failure, or nothing, because it was
/// cancelled when another had won.
template <class T>
class race_entry {
public:
    using value_type = detail::held<T>;

    race_entry() noexcept = default;
    explicit race_entry(detail::outcome<T>&& end) : end_(std::move(end)) {}

    [[nodiscard]] bool has_value() const noexcept { return end_.has_value(); }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] bool cancelled() const noexcept { return end_.cancelled(); }
    /// The failure, or null.
    [[nodiscard]] const std::exception_ptr& error() const noexcept { return end_.error(); }

    /// Moves the value out; there must be one, and only once.
    [[nodiscard]] value_type take() {
        RF_ASSERT(has_value(), "a racer was asked for its value, but it has none");
        return detail::take_held(end_);
    }

private:
    detail::outcome<T> end_;
};

}  // namespace rf
