// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/detail/transform.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <coroutine>

namespace rf::detail {

[[nodiscard]] inline task_record& waiting_task() noexcept {
    RF_ASSERT(
        slot.current != nullptr,
        "a ringfence operation was awaited outside a ringfence task; start tasks with rf::run "
        "or nursery::spawn");
    return *slot.current;
}

class [[nodiscard]] checkpoint_awaiter : public native_awaiter {
public:
    checkpoint_awaiter() noexcept {}
    [[nodiscard]] bool await_ready() const noexcept { return !waiting_task().scope->cancelled(); }
    void await_suspend(std::coroutine_handle<>) const noexcept {
        slot.current->state = task_state::unwinding;
    }
    void await_resume() const noexcept {}
};

class [[nodiscard]] yield_awaiter : public native_awaiter {
public:
    yield_awaiter() noexcept {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept {
        task_record& task = waiting_task();
        if (task.scope->cancelled()) [[unlikely]] {
            task.state = task_state::unwinding;
            return;
        }
        task.state = task_state::ready;
        slot.owner->push_ready(task);
    }
    void await_resume() const noexcept {}
};

}  // namespace rf::detail

namespace rf::this_task {

/// A cancel point and nothing else: unwinds if the scope is cancelled, goes on at once if not.
[[nodiscard]] inline detail::checkpoint_awaiter checkpoint() noexcept { return {}; }

/// Lets every other ready task run first. A cancel point.
[[nodiscard]] inline detail::yield_awaiter yield() noexcept { return {}; }

}  // namespace rf::this_task
