// SPDX-License-Identifier: MIT
// expect: no matching function for call to .*shield
#include <ringfence/runtime/timeout.hpp>

#include <chrono>

rf::task<> work() { co_return; }

rf::task<> program() {
#ifdef RF_FIXED
    co_await rf::shield(std::chrono::seconds(1), work);
#else
    co_await rf::shield(work);
#endif
}
