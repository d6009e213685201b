// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/frame.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/task_origin.hpp>

#include <bit>
#include <cstdint>
#include <source_location>

namespace rf {
class waiter;
}  // namespace rf

namespace rf::detail {

class nursery_core;
class scope_node;
struct local_binding;

enum class task_state : std::uint8_t {
    ready,      // in the ready queue; not started if `started` is false
    running,    // its code is on the stack
    waiting,    // `wait` says for what
    unwinding,  // cancelled; its frames are being destroyed, or are queued for it
    finished,   // its first frame has returned
};

/// What a task is up to: what changes most often.
struct task_status {
    task_state state;
    bool started;
    bool cancel_sent;  // the current wait has been asked to end
    bool service;
    std::uint32_t guard;  // the innermost leak guard that it was started under; 0: none

    /// Of a new task. One store: see task_record.
    void begin(bool as_service, std::uint32_t under_guard) noexcept;
};

/// Everything that is known of one task: a coroutine started in a nursery. The registry of live
/// tasks is the tree of scopes, each with the list of tasks that are in it.
struct task_record : list_hook, task_status {
    /// Ends the task: takes the outcome, destroys the first frame (unless unwinding already did),
    /// tells the nursery, frees the record. The loop calls it once.
    using finish_function = void (*)(task_record&, bool unwound) noexcept;

    std::uint64_t id;
    frame* leaf;            // the frame that runs, or is suspended at a wait
    local_binding* locals;  // task_local values in force
    scope_node* scope;      // the innermost scope that it is in; holds its list hook
    union {
        task_record* ready_next;  // in the ready queue
        waiter* wait;             // while `state` is waiting
    };
    task_origin origin;
    finish_function finish;

    /// launch() gives all of it its values, once, neighbours one after the other: a child costs
    /// little more than the stores of that.
    task_record(std::source_location where, finish_function ends) noexcept  // NOLINT(*-member-init)
        : list_hook(not_linked_t()), origin(where), finish(ends) {}

    [[nodiscard]] std::source_location spawned() const noexcept { return origin.spawned(); }
    [[nodiscard]] const char* name() const noexcept { return origin.name(); }
    [[nodiscard]] bool waits() const noexcept { return state == task_state::waiting; }
};

inline void task_status::begin(bool as_service, std::uint32_t under_guard) noexcept {
    constexpr auto word = [](bool for_service) {
        return std::bit_cast<std::uint64_t>(
            task_status{task_state::ready, false, false, for_service, 0});
    };
    constexpr int guard_shift = std::endian::native == std::endian::little ? 32 : 0;
    *this = std::bit_cast<task_status>((as_service ? word(true) : word(false)) |
                                       std::uint64_t{under_guard} << guard_shift);
}

}  // namespace rf::detail
