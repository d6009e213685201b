// SPDX-License-Identifier: MIT
// expect: ignoring return value of .*nodiscard
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task.hpp>

#include <chrono>

rf::task<> program() {
#ifdef RF_FIXED
    co_await rf::sleep_for(std::chrono::seconds(1));
#else
    rf::sleep_for(std::chrono::seconds(1));
#endif
    co_return;
}
