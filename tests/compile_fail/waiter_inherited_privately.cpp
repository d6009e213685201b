// SPDX-License-Identifier: MIT
// expect: an awaiter derives from rf::waiter publicly and once
#include <ringfence/runtime/task.hpp>

#include <coroutine>

#ifdef RF_FIXED
#define RF_HOW public
#else
#define RF_HOW private
#endif

class operation final : RF_HOW rf::waiter {
public:
    bool await_ready() { return true; }
    void await_suspend(std::coroutine_handle<>) {}
    void await_resume() {}

private:
    rf::cancel_outcome cancel() noexcept override { return rf::cancel_outcome::refused; }
    void describe(rf::wait_description&) const override {}
};

rf::task<> program() {
    operation wait;
    co_await wait;
}
