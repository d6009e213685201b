// SPDX-License-Identifier: MIT
// expect: spawn\(fn, args\.\.\.\): fn must be a coroutine that returns rf::task
#include <ringfence/runtime/nursery.hpp>

#ifdef RF_FIXED
rf::task<> work() { co_return; }
#else
void work() {}
#endif

void program(rf::nursery& jobs) { jobs.spawn(work); }
