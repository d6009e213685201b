// SPDX-License-Identifier: MIT
// expect: spawn takes a function and its arguments, spawn\(fn, args\.\.\.\), not a task
// expect: the task may refer to things that end before it
#include <ringfence/runtime/nursery.hpp>

rf::task<> work(int) { co_return; }

void program(rf::nursery& jobs) {
#ifdef RF_FIXED
    jobs.spawn(work, 1);
#else
    jobs.spawn(work(1));
#endif
}
