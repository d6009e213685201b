// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/promise.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <utility>

namespace rf {

/// A coroutine that produces a T: what a function that uses co_await returns.
///
/// Lazy: nothing runs until it is awaited. To run it beside others, hand the function and its
/// arguments to a nursery. Await it once, at the place where it was made, or move it there:
/// `co_await read_all(socket)`, `co_await std::move(stored)`.
///
/// Arguments: those taken by value live in the task; those taken by reference must outlive it. A
///   lambda's captures live in the lambda, not in the task.
/// Cancellation: has no state of its own. When its scope is cancelled the frame is destroyed at its
///   current wait, once the kernel has let go; destructors run, `catch` blocks do not.
/// Errors: an exception that leaves the body is thrown by co_await.
/// Threads: made, awaited and destroyed on one loop's thread.
/// Cost: one block from the frame pool. Awaiting a task that need not wait costs about 10 ns.
template <class T = void>
class [[nodiscard(
    "a task does nothing until it is awaited: write co_await, or hand the function and its "
    "arguments to nursery::spawn")]] task {
public:
    using promise_type = detail::promise<T>;
    using value_type = T;

    task() noexcept = default;
    task(task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        task old(std::move(*this));
        promise_ = std::exchange(other.promise_, nullptr);
        return *this;
    }
    task(const task&) = delete;
    task& operator=(const task&) = delete;
    /// A task that was never awaited is destroyed without having run.
    ~task() {
        if (promise_ != nullptr) promise_->handle().destroy();
    }

    [[nodiscard]] detail::task_awaiter<T> operator co_await() && noexcept {
        RF_ASSERT(promise_ != nullptr,
                  "an empty task was awaited: it was awaited before, or moved from");
        return detail::task_awaiter<T>(std::exchange(promise_, nullptr));
    }
    /// A named task is awaited with `co_await std::move(name)`: awaiting consumes it.
    void operator co_await() & = delete;

    /// Whether there is a task to await.
    [[nodiscard]] explicit operator bool() const noexcept { return promise_ != nullptr; }

private:
    friend promise_type;
    friend struct detail::task_access;
    explicit task(promise_type* promise) noexcept : promise_(promise) {}

    promise_type* promise_ = nullptr;
};

// Implementation

namespace detail {

/// Takes a task apart, for what starts one without awaiting it.
struct task_access {
    template <class T>
    [[nodiscard]] static promise<T>* release(task<T>&& from) noexcept {
        return std::exchange(from.promise_, nullptr);
    }
};

template <class T>
task<T> promise<T>::get_return_object() noexcept {
    return task<T>(this);
}
inline task<void> promise<void>::get_return_object() noexcept { return task<void>(this); }

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

}  // namespace detail
}  // namespace rf

#include <ringfence/runtime/foreign.hpp>
