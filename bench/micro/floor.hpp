// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdlib>
#include <utility>

/// The least that coroutines on one thread need: frames from free lists, a queue of what can run,
/// tasks and children that are joined. No cancellation, no errors, no accounts, no task tree, no
/// bound on anything. What ringfence costs more is the price of what it does more.
namespace floor_runtime {

/// Frames by size, kept for the next of that size.
class frame_lists {
public:
    static constexpr std::size_t step = 16;
    static constexpr std::size_t classes = 128;

    [[nodiscard]] void* take(std::size_t bytes) {
        const std::size_t index = (bytes + step - 1) / step;
        if (index >= classes) return std::malloc(bytes);
        if (lists_[index] != nullptr) return std::exchange(lists_[index], lists_[index]->next);
        return carve(index * step);
    }
    void give_back(void* frame, std::size_t bytes) noexcept {
        const std::size_t index = (bytes + step - 1) / step;
        if (index >= classes) return std::free(frame);
        lists_[index] = ::new (frame) link{lists_[index]};
    }

private:
    struct link {
        link* next;
    };
    static constexpr std::size_t slab_bytes = std::size_t{1} << 20;

    [[nodiscard]] void* carve(std::size_t bytes) {
        if (left_ < bytes) {
            slab_ = static_cast<char*>(std::malloc(slab_bytes));
            if (slab_ == nullptr) std::abort();
            left_ = slab_bytes;
        }
        left_ -= bytes;
        return std::exchange(slab_, slab_ + bytes);
    }

    std::array<link*, classes> lists_{};
    char* slab_ = nullptr;
    std::size_t left_ = 0;
};

inline frame_lists frames;

struct in_frame_lists {
    static void* operator new(std::size_t bytes) { return frames.take(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept {
        frames.give_back(frame, bytes);
    }
};

/// Something that can be resumed, in one queue at a time.
struct job {
    job* next = nullptr;
    std::coroutine_handle<> handle;
};

/// First in, first out, without a node of its own.
class job_queue {
public:
    void push(job& one) noexcept {
        one.next = nullptr;
        *tail_ = &one;
        tail_ = &one.next;
    }
    [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
    job& pop() noexcept {
        job& first = *head_;
        head_ = first.next;
        if (head_ == nullptr) tail_ = &head_;
        return first;
    }

private:
    job* head_ = nullptr;
    job** tail_ = &head_;
};

inline job_queue ready;

inline void run_ready() {
    while (!ready.empty())
        ready.pop().handle.resume();
}

/// Called by co_await, continues its caller.
template <class T>
class task {
public:
    struct promise_type : in_frame_lists {
        T value{};
        std::coroutine_handle<> caller;
        task get_return_object() noexcept {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct back {
                bool await_ready() noexcept { return false; }
                std::coroutine_handle<> await_suspend(
                    std::coroutine_handle<promise_type> ended) noexcept {
                    return ended.promise().caller;
                }
                void await_resume() noexcept {}
            };
            return back{};
        }
        void return_value(T result) noexcept { value = result; }
        void unhandled_exception() noexcept { std::abort(); }
    };

    task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    task& operator=(task&&) = delete;
    ~task() {
        if (handle_) handle_.destroy();
    }
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        handle_.promise().caller = caller;
        return handle_;
    }
    T await_resume() const noexcept { return handle_.promise().value; }

private:
    explicit task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

/// Children that run and are waited for by one.
class group {
public:
    void entered() noexcept { ++running_; }
    void left() noexcept {
        if (--running_ == 0 && waiting_) ready.push(waiter_);
    }
    bool await_ready() const noexcept { return running_ == 0; }
    void await_suspend(std::coroutine_handle<> caller) noexcept {
        waiter_.handle = caller;
        waiting_ = true;
    }
    void await_resume() noexcept { waiting_ = false; }

private:
    long running_ = 0;
    bool waiting_ = false;
    job waiter_;
};

/// Runs by itself once spawned; its frame goes when it ends.
struct child {
    struct promise_type : in_frame_lists, job {
        group* home = nullptr;
        child get_return_object() noexcept { return child{this}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct leave {
                bool await_ready() noexcept { return false; }
                void await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
                    group* from = ended.promise().home;
                    ended.destroy();
                    from->left();
                }
                void await_resume() noexcept {}
            };
            return leave{};
        }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::abort(); }
    };
    promise_type* promise;
};

inline void spawn(group& home, child made) noexcept {
    made.promise->home = &home;
    made.promise->handle = std::coroutine_handle<child::promise_type>::from_promise(*made.promise);
    home.entered();
    ready.push(*made.promise);
}

struct yield : job {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> caller) noexcept {
        handle = caller;
        ready.push(*this);
    }
    void await_resume() const noexcept {}
};

/// Runs one child and what it spawns to the end.
inline void run(child made) {
    group all;
    spawn(all, made);
    run_ready();
    if (!all.await_ready()) std::abort();
}

}  // namespace floor_runtime
