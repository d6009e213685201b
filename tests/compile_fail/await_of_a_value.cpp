// SPDX-License-Identifier: MIT
// expect: co_await needs a task, an operation of ringfence, or a C\+\+20 awaitable
#include <ringfence/runtime/task.hpp>

rf::task<int> work() { co_return 1; }

rf::task<> program() {
#ifdef RF_FIXED
    (void)co_await work();
#else
    (void)co_await 1;
#endif
}
