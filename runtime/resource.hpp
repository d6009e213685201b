// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <functional>
#include <source_location>

namespace rf {

/// The classes of what a loop can have in hand.
enum class resource_kind : std::uint8_t {
    task,
    operation,  // a request that the kernel holds
    descriptor,
    ring_buffer,        // out of its ring: in a socket's queue or in use
    registered_buffer,  // memory that the kernel has pinned
    timer,
    offload_job
};
[[nodiscard]] const char* to_string(resource_kind kind) noexcept;

/// One thing that a loop has in hand, and who opened it, as far as that is known.
struct resource {
    resource_kind kind = resource_kind::task;
    const char* name = "";           // "tcp stream", "sleep", "receive buffer"
    std::int64_t number = -1;        // the descriptor, the task's or the buffer's number
    std::uint64_t task_id = 0;       // of the task that opened it; 0: unknown, or none
    std::uint32_t guard = 0;         // of the innermost leak guard that task was under; 0: none
    const char* function = nullptr;  // where it was opened; null: unknown
    std::source_location opened{};
};

using resource_visitor = std::function<void(const resource&)>;

}  // namespace rf
