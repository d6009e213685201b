// SPDX-License-Identifier: MIT
#include <ringfence/runtime/sleep.hpp>

#include <fmt/format.h>

namespace rf::detail {

void sleep_awaiter::describe(wait_description& out) const {
    out.kind = "sleep";
    if (deadline_ == instant_never) {
        out.what = "sleep without end";
        return;
    }
    const double left_ms = static_cast<double>(deadline_ - loop::here().cached_now()) / 1e6;
    out.what = fmt::format("sleep, {:.0f} ms left", left_ms);
    out.owner = "the clock";
}

}  // namespace rf::detail
