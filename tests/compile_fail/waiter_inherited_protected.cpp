// SPDX-License-Identifier: MIT
// expect: an awaiter derives from rf::waiter publicly and once
#include <ringfence/runtime/task.hpp>

#include <coroutine>

#ifdef RF_FIXED
#define RF_HOW public
#else
#define RF_HOW protected
#endif

class operation_awaiter final : RF_HOW rf::waiter {
public:
    bool await_ready() { return true; }
    void await_suspend(std::coroutine_handle<>) {}
    void await_resume() {}

private:
    rf::cancel_outcome cancel() noexcept override { return rf::cancel_outcome::refused; }
    void describe(rf::wait_description&) const override {}
};

struct operation {
    operation_awaiter operator co_await() const { return {}; }
};

rf::task<> program() { co_await operation(); }
