// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/frame.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>

#include <cstdint>

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

/// Everything that is known of one task: a coroutine started in a nursery. The registry of live
/// tasks is the tree of scopes, each with the list of tasks that are in it.
struct task_record : list_hook {
    /// Ends the task: takes the outcome, destroys the first frame (unless unwinding already did),
    /// tells the nursery, frees the record. The loop calls it once.
    using finish_function = void (*)(task_record&, bool unwound) noexcept;

    union {
        task_record* ready_next = nullptr;  // in the ready queue
        waiter* wait;                       // while `state` is waiting
    };
    scope_node* scope = nullptr;      // the innermost scope that it is in; holds its list hook
    nursery_core* home = nullptr;     // whose child it is
    frame* leaf = nullptr;            // the frame that runs, or is suspended at a wait
    local_binding* locals = nullptr;  // task_local values in force
    finish_function finish = nullptr;
    const char* name = nullptr;
    std::uint64_t id = 0;
    [[no_unique_address]] noted_line spawned;
    task_state state = task_state::ready;
    bool started = false;
    bool cancel_sent = false;  // the current wait has been asked to end
    bool service = false;
    std::uint32_t guard = 0;  // the innermost leak guard that it was started under; 0: none

    task_record() noexcept = default;

    [[nodiscard]] bool waits() const noexcept { return state == task_state::waiting; }
};

}  // namespace rf::detail
