// SPDX-License-Identifier: MIT
#include <ringfence/runtime/this_task.hpp>

namespace rf::this_task {

std::optional<clock::time_point> deadline() noexcept {
    const instant earliest = detail_here::current().scope->effective_deadline();
    if (earliest == instant_never) return std::nullopt;
    return clock::time_point(clock::duration(earliest));
}

}  // namespace rf::this_task
