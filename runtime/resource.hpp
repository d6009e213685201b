// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <vector>

namespace rf {

namespace detail {
class nursery_core;
}

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

/// The async stack of a task as it was when the task opened something.
struct opening_stack {
    struct line {
        std::source_location at;  // a co_await; for what is spawned, that call
        const char* function;     // the coroutine that it is in
    };
    std::vector<line> lines;          // innermost first; of the user's alone, unless there are none
    std::source_location spawned;     // the line that started the task
    std::vector<std::string> labels;  // "tenant=7": what was in force; see with_label()
};

/// A nursery that has closed while something that was opened inside it stayed open.
struct outlived_nursery {
    std::source_location opened;  // the line that opened the nursery
    std::string name;             // empty: none
    instant closed = 0;           // when
    std::uint64_t number = 0;     // tells it from others of that line, on one loop
};

/// One thing that a loop has in hand, and who opened it, as far as that is known.
struct resource {
    resource_kind kind = resource_kind::task;
    const char* name = "";           // "tcp stream", "sleep", "receive buffer"
    std::int64_t number = -1;        // the descriptor, the task's or the buffer's number
    std::uint64_t task_id = 0;       // of the task that opened it; 0: unknown, or none
    std::uint32_t guard = 0;         // of the innermost leak guard that task was under; 0: none
    const char* function = nullptr;  // where it was opened; null: unknown
    std::source_location opened{};
    /// The async stack that opened it; null where it was not kept: see loop::keep_openings().
    std::shared_ptr<const opening_stack> stack{};
    /// The nurseries around that task then which have closed since, innermost first, out of the
    /// eight innermost. Not for tasks: those end before their nursery. Empty where it was not kept.
    std::vector<outlived_nursery> outlived{};
    /// Those of the eight that are open still, by where they are in memory.
    std::vector<const detail::nursery_core*> inside{};
    /// Held by an object that tasks share, as a cache's clock: none of the tasks has to end it.
    bool shared = false;
    /// When it was opened, by the loop's clock: of what is in the books by itself.
    instant since = 0;
    /// Name, or kind and line, of the innermost nursery it was opened in, where that was kept. Not
    /// for tasks.
    std::string scope{};
};

using resource_visitor = std::function<void(const resource&)>;

}  // namespace rf
