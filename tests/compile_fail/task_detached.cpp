// SPDX-License-Identifier: MIT
// expect: no member named .detach.
#include <ringfence/runtime/task.hpp>

rf::task<> work() { co_return; }

rf::task<> program() {
#ifdef RF_FIXED
    co_await work();
#else
    work().detach();
#endif
    co_return;
}
