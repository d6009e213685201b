// SPDX-License-Identifier: MIT
// expect: spawn takes a function and its arguments, spawn\(fn, args\.\.\.\), not a task
#include <ringfence/runtime/nursery.hpp>

rf::task<int> work() { co_return 1; }

rf::task<> program(rf::nursery& jobs) {
#ifdef RF_FIXED
    auto handle = jobs.async(work);
#else
    auto handle = jobs.async(work());
#endif
    (void)co_await handle;
}
