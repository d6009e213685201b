// SPDX-License-Identifier: MIT
// expect gcc: use of deleted function .*task\(const rf::task
// expect clang: call to deleted constructor of 'rf::task
#include <ringfence/runtime/task.hpp>

#include <utility>

rf::task<> work() { co_return; }

rf::task<> program() {
    rf::task<> one = work();
#ifdef RF_FIXED
    rf::task<> other = std::move(one);
#else
    rf::task<> other = one;
#endif
    co_await std::move(other);
}
