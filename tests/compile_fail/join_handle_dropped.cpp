// SPDX-License-Identifier: MIT
// expect gcc: ignoring returned value of type .*join_handle|ignoring return value of .*join_handle
// expect clang: ignoring .*(nodiscard|join_handle)
#include <ringfence/runtime/nursery.hpp>

rf::task<int> work() { co_return 1; }

void program(rf::nursery& jobs) {
#ifdef RF_FIXED
    (void)jobs.async(work);
#else
    jobs.async(work);
#endif
}
