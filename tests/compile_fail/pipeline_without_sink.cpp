// SPDX-License-Identifier: MIT
// expect: a pipeline ends in a sink
#include <ringfence/sync/pipeline.hpp>

rf::task<> produce(rf::sync::pipeline_output<int>& out) { co_await out.send(1); }

void build(rf::sync::pipeline& line) {
#ifdef RF_FIXED
    line.source<int>(produce).sink([](int) {});
#else
    line.source<int>(produce);
#endif
}
