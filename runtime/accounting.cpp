// SPDX-License-Identifier: MIT
#include <ringfence/runtime/accounting.hpp>

#include <ringfence/runtime/resource.hpp>

#include <fmt/format.h>

namespace rf {

const char* to_string(resource_kind kind) noexcept {
    switch (kind) {
    case resource_kind::task: return "task";
    case resource_kind::operation: return "operation";
    case resource_kind::descriptor: return "descriptor";
    case resource_kind::ring_buffer: return "ring buffer";
    case resource_kind::registered_buffer: return "registered buffer";
    case resource_kind::timer: return "timer";
    case resource_kind::offload_job: return "offload job";
    }
    return "resource";
}

std::string accounting::receipt() const {
    std::string text = fmt::format("{} tasks, {} operations, {} timers, {} buffers, {} descriptors",
                                   tasks_live, operations, timers, buffers, descriptors);
    if (offload_jobs != 0) text += fmt::format(", {} offload jobs", offload_jobs);
    return text;
}

}  // namespace rf
