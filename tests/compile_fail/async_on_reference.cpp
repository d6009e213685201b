// SPDX-License-Identifier: MIT
// expect: a child on another shard cannot return a reference
#include <ringfence/runtime/nursery.hpp>

#ifdef RF_FIXED
rf::task<int> number() { co_return 1; }
#else
int global = 1;
rf::task<int&> number() { co_return global; }
#endif

void program(rf::nursery& jobs) { auto handle = jobs.async_on(rf::shards()[0], number); }
