// SPDX-License-Identifier: MIT
// expect: started<T> takes the one value that start<T> returns
#include <ringfence/runtime/nursery.hpp>

rf::task<> serve(rf::started<int> ready) {
#ifdef RF_FIXED
    ready(7000);
#else
    ready();
#endif
    co_return;
}
