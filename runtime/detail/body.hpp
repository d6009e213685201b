// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/callable.hpp>
#include <ringfence/runtime/detail/outcome.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/task.hpp>

#include <atomic>
#include <functional>
#include <type_traits>
#include <utility>

namespace rf::detail {

/// `co_await body_awaiter(body, scope)`: runs a task as the body of a combinator.
///
/// The link is a boundary: when the task is cancelled, the body's frames are destroyed and the
/// combinator goes on with a cancelled outcome, to clean up and to decide. With a scope, the task
/// is a member of it while the body runs.
template <class T>
class [[nodiscard]] body_awaiter : await_link, public native_awaiter {
public:
    explicit body_awaiter(task<T>&& body, scope_node* scope = nullptr) noexcept : scope_(scope) {
        child = task_access::release(std::move(body));
        RF_ASSERT(child != nullptr, "an empty task was given as a body: it was moved from");
    }
    body_awaiter(const body_awaiter&) = delete;
    body_awaiter& operator=(const body_awaiter&) = delete;
    ~body_awaiter() {
        if (child != nullptr) child->handle().destroy();
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept {
        attach(&awaiting.promise(), true);
        child->set_link(*this);
        task_record& task = *slot.current;
        if (scope_ != nullptr) scope_->adopt(task);
        std::atomic_signal_fence(std::memory_order_release);  // see task_awaiter
        task.leaf = child;
        slot.next = child->handle();
    }

    outcome<T> await_resume() {
        if (scope_ != nullptr) {
            task_record& task = *slot.current;
            RF_ASSERT(task.scope == scope_, "scopes must end in the reverse order of their start");
            scope_->parent()->adopt(task);
        }
        if (child == nullptr) return {};
        auto* done = static_cast<promise<T>*>(std::exchange(child, nullptr));
        frame_guard guard(done);
        if (done->state() == completion_state::error)
            return outcome<T>::failure(std::move(done->error()));
        if constexpr (std::is_void_v<T>)
            return outcome<T>::success(unit{});
        else
            return outcome<T>::success(std::move(done->value));
    }

private:
    scope_node* scope_;
};

/// Turns what a combinator is given into a task: a callable is called and what it returns is
/// awaited, a task is itself, and an operation is awaited.
template <class W>
struct work_traits {};

template <class W>
    requires task_callable<W&>
struct work_traits<W> {
    using result = typename std::invoke_result_t<W&>::value_type;
    static std::invoke_result_t<W&> start(W& work) { return std::invoke(work); }
};

template <class W>
    requires(operation_callable<W&> && !is_task<W> && !awaitable<W>)
struct work_traits<W> {
    using result = call_result<W&>;
    // The work outlives its task, and may be neither copied nor moved.
    static task<result> start(W& work) { return await_call(std::ref(work)); }
};

template <class T>
struct work_traits<task<T>> {
    using result = T;
    static task<T> start(task<T>& work) noexcept { return std::move(work); }
};

template <class W>
    requires(!task_callable<W&> && !is_task<W> && awaitable<W>)
struct work_traits<W> {
    using result = operation_result<W>;
    static task<result> start(W& work) { return await_it<W&&>(std::move(work)); }
};

/// What with_timeout and its kin accept: a task, an operation, or a callable that returns either.
template <class W>
concept work = requires { typename work_traits<std::remove_cvref_t<W>>::result; };

template <class W>
using work_result = typename work_traits<std::remove_cvref_t<W>>::result;

template <class W>
auto start_work(W& work) {
    return work_traits<W>::start(work);
}

/// The work, its result dropped.
template <class W>
task<void> discard_result(W& work) {
    (void)co_await start_work(work);
}

}  // namespace rf::detail
