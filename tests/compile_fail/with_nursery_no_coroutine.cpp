// SPDX-License-Identifier: MIT
// expect: no matching function for call to .*with_nursery
// expect: task_callable
#include <ringfence/runtime/with_nursery.hpp>

rf::task<> program() {
#ifdef RF_FIXED
    co_await rf::with_nursery([](rf::nursery&) -> rf::task<> { co_return; });
#else
    co_await rf::with_nursery([](rf::nursery&) {});
#endif
}
