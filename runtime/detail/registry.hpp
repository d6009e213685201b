// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace rf::detail {

/// Makes the loop that it is a member of findable from outside the process, while it lives.
///
/// Threads: any. Cost: a lock when a loop begins and when it ends.
class live_loop {
public:
    live_loop() noexcept;
    live_loop(const live_loop&) = delete;
    live_loop& operator=(const live_loop&) = delete;
    ~live_loop();

private:
    live_loop* next_;
    live_loop** place_;  // what points at this
};

/// Where things are in this build, for those who read its memory from outside: rf-ps and the
/// script for gdb. They know this table and nothing else, so it says all that they need.
///
/// It is found under the symbol `rf_registry`, or, where symbols were stripped, by `magic`. What
/// stands before `loops` never changes its place, so that a reader of another version can say so.
/// `version` goes up with each change of the rest, and of what the numbers of enumerations mean.
///
/// Offsets are in bytes, from the object that the name begins with.
struct registry_layout {
    static constexpr std::uint32_t version_here = 2;
    static constexpr std::uint32_t nowhere = ~std::uint32_t{0};  // this build does not note it

    char magic[16];  // "ringfence tasks"
    std::uint32_t version;
    std::uint32_t bytes;  // of this table
    char library[16];     // the version of ringfence, for people
    live_loop* loops;     // the first; `next_` is at its beginning

    std::uint32_t loop_live;  // its live_loop
    std::uint32_t loop_root;  // a scope
    std::uint32_t loop_now;
    std::uint32_t loop_beat;
    std::uint32_t loop_tasks_live;
    std::uint32_t loop_tasks_started;

    std::uint32_t hook_previous;  // lists are circular, with a head of their own; the hook of a
    std::uint32_t hook_next;      // task or a scope is at its beginning

    std::uint32_t scope_bytes;
    std::uint32_t scope_tasks;     // head of a list
    std::uint32_t scope_children;  // head of a list
    std::uint32_t scope_parent;
    std::uint32_t scope_host;
    std::uint32_t scope_nursery;
    std::uint32_t scope_deadline;
    std::uint32_t scope_opened;
    std::uint32_t scope_cancelled_at;
    std::uint32_t scope_literal_reason;
    std::uint32_t scope_reason;  // points at a std::string
    std::uint32_t scope_kind;
    std::uint32_t scope_cause;
    std::uint32_t scope_cancelled;
    std::uint32_t scope_draining;

    std::uint32_t nursery_scope;
    std::uint32_t nursery_name;

    std::uint32_t task_bytes;
    std::uint32_t task_wait;  // while its state is `waiting`
    std::uint32_t task_scope;
    std::uint32_t task_leaf;  // a frame
    std::uint32_t task_id;
    std::uint32_t task_spawned;  // tagged: with this bit, points at what holds it and the name
    std::uint32_t task_named_tag;
    std::uint32_t task_state;
    std::uint32_t task_started;
    std::uint32_t task_service;

    std::uint32_t named_name;
    std::uint32_t named_spawned;

    std::uint32_t wait_since;  // the pointer to its virtual functions is at the beginning

    std::uint32_t frame_bytes;
    std::uint32_t frame_at;
    std::uint32_t frame_created;
    std::uint32_t frame_link;      // to what the awaiting frame holds; tagged
    std::uint32_t frame_link_tag;  // bits that are not of the address
    std::uint32_t link_parent;     // a frame; tagged
    std::uint32_t link_parent_tag;

    std::uint32_t line_file;  // a std::source_location points at these three
    std::uint32_t line_function;
    std::uint32_t line_number;
};

}  // namespace rf::detail

extern "C" {
/// Of this program. Constant but for the list of loops.
extern rf::detail::registry_layout rf_registry;
}
