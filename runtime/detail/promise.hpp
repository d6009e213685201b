// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/frame.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/detail/transform.hpp>
#include <ringfence/runtime/frame_pool.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <source_location>
#include <type_traits>
#include <utility>

namespace rf {
template <class T>
class task;
}

namespace rf::detail {

struct task_access;

/// The end of a coroutine: control goes to the frame that awaits it, or back to the loop.
///
/// One transfer path in every build: the next frame is stored and the loop's trampoline resumes it.
/// Symmetric transfer needs guaranteed tail calls, which GCC gives neither below -O2 nor under its
/// sanitizers.
struct final_awaiter {
    final_awaiter() noexcept {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> done) const noexcept {
        await_link* link = done.promise().link();
        task_record& task = *slot.current;
        if (link == nullptr) {
            task.state = task_state::finished;
            return;
        }
        frame* parent = link->parent();
        task.leaf = parent;
        slot.next = parent->handle();
    }
    void await_resume() const noexcept {}
};

/// What all promises share: the frame's place in the chain, memory from the pool, and the recording
/// of each await.
struct promise_base : frame {
    using frame::frame;

    [[nodiscard]] static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
    static void operator delete(void* block, std::size_t size) noexcept {
        frame_pool::release(block, size);
    }

    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }

    /// Notes the line, and wraps what is not of ours. The file and line are those of the co_await;
    /// the function name is better taken from `created`.
    template <class Awaitable>
    decltype(auto) await_transform(
        Awaitable&& awaitable,
        std::source_location where = std::source_location::current()) noexcept(false) {
        at = where;
        return transform_awaitable(static_cast<Awaitable&&>(awaitable));
    }
};

/// Holds the result: nothing yet, a value, or an exception. `state` in the frame says which.
template <class T>
struct promise final : promise_base {
    static_assert(alignof(T) <= 16,
                  "the result of a task may be aligned to 16 bytes at most, as its frame is; "
                  "return a std::unique_ptr to it instead");
    static_assert(!std::is_rvalue_reference_v<T>, "a task cannot return an rvalue reference");

    using stored = std::conditional_t<std::is_reference_v<T>, std::add_pointer_t<T>, T>;

    explicit promise(std::source_location where = std::source_location::current()) noexcept
        : promise_base(where) {}
    ~promise() {
        if (state() == completion_state::value)
            std::destroy_at(std::addressof(value));
        else if (state() == completion_state::error)
            std::destroy_at(std::addressof(error_));
    }

    task<T> get_return_object() noexcept;

    template <class U = T>
        requires(!std::is_reference_v<T> && std::is_constructible_v<T, U &&>)
    void return_value(U&& result) noexcept(std::is_nothrow_constructible_v<T, U&&>) {
        ::new (static_cast<void*>(std::addressof(value))) T(static_cast<U&&>(result));
        set_state(completion_state::value);
    }
    void return_value(T result) noexcept
        requires(std::is_reference_v<T>)
    {
        value = std::addressof(result);
        set_state(completion_state::value);
    }
    void unhandled_exception() noexcept {
#if RF_EXCEPTIONS
        ::new (static_cast<void*>(std::addressof(error_)))
            std::exception_ptr(std::current_exception());
        set_state(completion_state::error);
#endif
    }

    [[nodiscard]] std::exception_ptr& error() noexcept { return error_; }

    union {
        stored value;
        std::exception_ptr error_;
    };
};

template <>
struct promise<void> final : promise_base {
    explicit promise(std::source_location where = std::source_location::current()) noexcept
        : promise_base(where) {}
    ~promise() {
        if (state() == completion_state::error) std::destroy_at(&error());
    }

    task<void> get_return_object() noexcept;

    void return_void() noexcept { set_state(completion_state::value); }
    void unhandled_exception() noexcept {
#if RF_EXCEPTIONS
        // The state first, for signal handlers that ask for created().
        set_state(completion_state::error);
        std::atomic_signal_fence(std::memory_order_release);
        ::new (static_cast<void*>(place_of_error())) std::exception_ptr(std::current_exception());
#endif
    }
    [[nodiscard]] std::exception_ptr& error() noexcept {
        return *std::launder(reinterpret_cast<std::exception_ptr*>(place_of_error()));
    }

private:
#if RF_BOOKKEEPING
    // Most tasks give nothing, and most of what waits is a frame of such a task.
    static_assert(sizeof(std::exception_ptr) == sizeof(noted_line) &&
                  alignof(std::exception_ptr) <= alignof(noted_line));
    [[nodiscard]] void* place_of_error() noexcept { return &created_; }
#else
    [[nodiscard]] void* place_of_error() noexcept { return &error_; }
    union {
        std::exception_ptr error_;
    };
#endif
};

/// The value of a finished coroutine, moved out.
template <class T>
T take_value(promise<T>& done) noexcept(std::is_nothrow_move_constructible_v<T>) {
    if constexpr (std::is_void_v<T>)
        return;
    else if constexpr (std::is_reference_v<T>)
        return static_cast<T>(*done.value);
    else
        return std::move(done.value);
}

/// Destroys a frame when it goes out of scope.
struct frame_guard {
    frame* owned;
    explicit frame_guard(frame* f) noexcept : owned(f) {}
    frame_guard(const frame_guard&) = delete;
    frame_guard& operator=(const frame_guard&) = delete;
    ~frame_guard() { owned->handle().destroy(); }
};

#if RF_EXCEPTIONS
[[noreturn, gnu::cold, gnu::noinline]] inline void rethrow_and_destroy(frame* done,
                                                                       std::exception_ptr& error) {
    std::exception_ptr thrown = std::move(error);
    done->handle().destroy();
    std::rethrow_exception(std::move(thrown));
}
#endif

/// `co_await child`: starts it, and gives its result. Never suspends the task by itself.
template <class T>
class task_awaiter : await_link {
public:
    explicit task_awaiter(promise<T>* owned) noexcept { child = owned; }
    task_awaiter(const task_awaiter&) = delete;
    task_awaiter& operator=(const task_awaiter&) = delete;
    ~task_awaiter() {
        // Not null only if the await never began; unwinding has nulled it otherwise.
        if (child != nullptr) child->handle().destroy();
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> awaiting) noexcept {
        static_assert(std::is_base_of_v<frame, Promise>,
                      "a task can be awaited only in an rf::task, not in a coroutine of another "
                      "library; start it with rf::run or nursery::spawn");
        attach(&awaiting.promise(), false);
        child->set_link(*this);
        // For signal handlers on this thread that walk the chain: it is whole at each instruction.
        std::atomic_signal_fence(std::memory_order_release);
        slot.current->leaf = child;
        slot.next = child->handle();
    }

    T await_resume() {
        auto* done = static_cast<promise<T>*>(std::exchange(child, nullptr));
#if RF_EXCEPTIONS
        if (done->state() == completion_state::error) [[unlikely]]
            rethrow_and_destroy(done, done->error());
#endif
        frame_guard guard(done);
        return take_value(*done);
    }
};

}  // namespace rf::detail
