// SPDX-License-Identifier: MIT
// expect: spawn\(fn, args\.\.\.\): fn cannot be called with these arguments
// expect: a parameter T& needs std::ref\(argument\)
#include <ringfence/runtime/nursery.hpp>

#include <functional>

rf::task<> count(int& total) {
    ++total;
    co_return;
}

void program(rf::nursery& jobs, int& total) {
#ifdef RF_FIXED
    jobs.spawn(count, std::ref(total));
#else
    jobs.spawn(count, total);
#endif
}
