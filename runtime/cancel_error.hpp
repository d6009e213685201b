// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>

#include <source_location>
#include <stdexcept>
#include <string>

namespace rf {

/// A timeout of with_timeout, with_deadline or shield passed, and what ran under it was cancelled
/// and is gone. Not to be mixed up with cancellation from outside, which is no exception at all.
class timeout_error : public std::runtime_error {
public:
    timeout_error(std::chrono::nanoseconds limit, std::source_location where);

    /// How long was allowed; zero when a point in time was given.
    [[nodiscard]] std::chrono::nanoseconds limit() const noexcept { return limit_; }
    /// The line that set the timeout.
    [[nodiscard]] std::source_location where() const noexcept { return where_; }

private:
    std::chrono::nanoseconds limit_;
    std::source_location where_;
};

/// A result was asked of something that was cancelled on purpose and so has none: a child cancelled
/// through its join_handle, a nursery that cancelled itself before its body had a value.
class cancelled_error : public std::runtime_error {
public:
    cancelled_error(std::string what, cancel_cause cause)
        : std::runtime_error(std::move(what)), cause_(cause) {}
    [[nodiscard]] cancel_cause cause() const noexcept { return cause_; }

private:
    cancel_cause cause_;
};

namespace detail {
/// "runtime/x.cpp:12"
[[nodiscard]] std::string to_string(std::source_location where);
}  // namespace detail

}  // namespace rf
