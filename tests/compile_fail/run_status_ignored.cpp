// SPDX-License-Identifier: MIT
// expect gcc: ignoring return value of .*run.*nodiscard
// expect clang: ignoring return value of function declared with 'nodiscard' attribute
#include <ringfence/runtime/run.hpp>

rf::task<> program() { co_return; }

int main() {
#ifdef RF_FIXED
    return rf::run(program);
#else
    rf::run(program);
#endif
}
