// SPDX-License-Identifier: MIT
// expect: a named task is awaited with co_await std::move\(name\): awaiting consumes it
#include <ringfence/runtime/task.hpp>

#include <utility>

rf::task<int> work() { co_return 1; }

rf::task<> program() {
    rf::task<int> named = work();
#ifdef RF_FIXED
    const int value = co_await std::move(named);
#else
    const int value = co_await named;
#endif
    (void)value;
}
