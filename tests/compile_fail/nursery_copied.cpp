// SPDX-License-Identifier: MIT
// expect gcc: use of deleted function .*nursery
// expect clang: call to (implicitly-)?deleted( copy)? constructor of 'rf::nursery'
#include <ringfence/runtime/nursery.hpp>

void program(rf::nursery& jobs) {
#ifdef RF_FIXED
    rf::nursery& same = jobs;
#else
    rf::nursery same = jobs;
#endif
    same.cancel();
}
