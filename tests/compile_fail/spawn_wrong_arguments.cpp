// SPDX-License-Identifier: MIT
// expect: spawn\(fn, args\.\.\.\): fn cannot be called with these arguments
#include <ringfence/runtime/nursery.hpp>

rf::task<> work(int, int) { co_return; }

void program(rf::nursery& jobs) {
#ifdef RF_FIXED
    jobs.spawn(work, 1, 2);
#else
    jobs.spawn(work, 1);
#endif
}
