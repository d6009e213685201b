// SPDX-License-Identifier: MIT
// expect: the result of a task may be aligned to 16 bytes at most
#include <ringfence/runtime/task.hpp>

#ifdef RF_FIXED
struct alignas(16) wide {
#else
struct alignas(64) wide {
#endif
    char bytes[64];
};

rf::task<wide> program() { co_return wide{}; }
