// SPDX-License-Identifier: MIT
// expect: spawn takes a function that returns the operation, not the operation
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <chrono>

void program(rf::nursery& jobs) {
#ifdef RF_FIXED
    jobs.spawn([] { return rf::sleep_for(std::chrono::seconds(1)); });
#else
    jobs.spawn(rf::sleep_for(std::chrono::seconds(1)));
#endif
}
