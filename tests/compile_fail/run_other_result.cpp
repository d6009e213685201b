// SPDX-License-Identifier: MIT
// expect: the program of rf::run returns rf::task<> or rf::task<int>
#include <ringfence/runtime/run.hpp>

#include <string>

#ifdef RF_FIXED
rf::task<int> program() { co_return 1; }
#else
rf::task<std::string> program() { co_return "done"; }
#endif

int main() { return rf::run(program); }
