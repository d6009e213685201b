// SPDX-License-Identifier: MIT
// expect: rf::run takes a function that returns rf::task<> or rf::task<int>
// expect: rf::run\(f\), not rf::run\(f\(\)\)
#include <ringfence/runtime/run.hpp>

rf::task<> program() { co_return; }

int main() {
#ifdef RF_FIXED
    return rf::run(program);
#else
    return rf::run(program());
#endif
}
