// SPDX-License-Identifier: MIT
// expect: a task does nothing until it is awaited: write co_await
// expect: or hand the function and its arguments to nursery::spawn
#include <ringfence/runtime/task.hpp>

rf::task<> work() { co_return; }

rf::task<> program() {
#ifdef RF_FIXED
    co_await work();
#else
    work();
#endif
    co_return;
}
