// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/detail/transform.hpp>
#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/task.hpp>

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace rf {

/// A value, or the error that kept it from being: what `co_await as_result(operation)` gives.
/// Throws nothing by itself and never holds a cancellation, which unwinds.
///
///     auto got = co_await rf::as_result(peer.read_some(buffer));
///     if (!got) return log(got.error());
///     use(*got);
template <class T>
class [[nodiscard]] result {
public:
    using value_type = detail::storable<T>;

    result(value_type value) : content_(std::in_place_index<0>, std::move(value)) {}
    result(rf::error failure) noexcept : content_(std::in_place_index<1>, failure) {}
    result() noexcept
        requires(std::is_void_v<T>)
        : content_(std::in_place_index<0>) {}

    [[nodiscard]] bool has_value() const noexcept { return content_.index() == 0; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

    /// The value, or a thrown io_error.
    [[nodiscard]] value_type& value() & {
        if (!has_value()) throw_error(error());
        return *std::get_if<0>(&content_);
    }
    value_type value() && {
        if (!has_value()) throw_error(error());
        return std::move(*std::get_if<0>(&content_));
    }
    /// The value; there must be one.
    [[nodiscard]] value_type& operator*() & noexcept { return checked(); }
    [[nodiscard]] value_type&& operator*() && noexcept { return std::move(checked()); }
    [[nodiscard]] value_type* operator->() noexcept { return &checked(); }
    [[nodiscard]] value_type value_or(value_type other) && {
        return has_value() ? std::move(checked()) : std::move(other);
    }
    /// The error; there must be one.
    [[nodiscard]] const rf::error& error() const noexcept {
        RF_ASSERT(!has_value(), "a result was asked for its error, but it has a value");
        return *std::get_if<1>(&content_);
    }

private:
    value_type& checked() noexcept {
        RF_ASSERT(has_value(), "a result was asked for its value, but it holds an error");
        return *std::get_if<0>(&content_);
    }
    std::variant<value_type, rf::error> content_;
};

namespace detail {

/// Awaiters that produce a result without throwing say so with `await_result()`.
template <class A>
concept has_await_result = requires(A& awaiter) { awaiter.await_result(); };

/// `as_result` of such an awaiter: the same wait, the other ending.
template <class Awaiter>
class [[nodiscard]] result_awaiter : public native_awaiter {
public:
    explicit result_awaiter(Awaiter&& awaiter) : awaiter_(std::move(awaiter)) {}
    [[nodiscard]] bool await_ready() { return awaiter_.await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> awaiting) {
        return awaiter_.await_suspend(awaiting);
    }
    auto await_resume() { return awaiter_.await_result(); }
    [[nodiscard]] Awaiter&& unwrap() && noexcept { return std::move(awaiter_); }

private:
    Awaiter awaiter_;
};

template <class T>
task<result<T>> task_as_result(task<T> work) {
#if RF_EXCEPTIONS
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(work);
            co_return result<T>();
        } else {
            co_return result<T>(co_await std::move(work));
        }
    } catch (const io_error& thrown) {
        co_return result<T>(thrown.error());
    } catch (const timeout_error&) {
        co_return result<T>(error::timed_out());
    }
#else
    if constexpr (std::is_void_v<T>) {
        co_await std::move(work);
        co_return result<T>();
    } else {
        co_return result<T>(co_await std::move(work));
    }
#endif
}

}  // namespace detail

/// Awaits `operation` without exceptions: its value or its error. For an operation of io this costs
/// nothing; for a task, io_error and timeout_error are caught and turned into values, which costs
/// what a throw costs, and other exceptions go through.
template <class Operation>
    requires detail::has_await_result<Operation>
[[nodiscard]] detail::result_awaiter<Operation> as_result(Operation operation) {
    return detail::result_awaiter<Operation>(std::move(operation));
}
template <class T>
[[nodiscard]] task<result<T>> as_result(task<T> work) {
    return detail::task_as_result(std::move(work));
}

}  // namespace rf
