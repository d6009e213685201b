// SPDX-License-Identifier: MIT
// expect: a task can be awaited only in an rf::task
#include <ringfence/runtime/task.hpp>

#include <coroutine>
#include <exception>

struct other {
    struct promise_type {
        other get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

rf::task<> work() { co_return; }

#ifdef RF_FIXED
rf::task<> program() {
#else
other program() {
#endif
    co_await work();
}
