// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/accounting.hpp>
#include <ringfence/runtime/detail/block_list.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <source_location>
#include <string_view>

namespace rf::detail {

inline constexpr std::uint32_t no_place = ~std::uint32_t{0};

/// A scope as it was seen. Scopes are named by their place in the image.
struct scope_image {
    const void* address = nullptr;  // tells the builder whether a scope is this one; not to follow
    std::uint32_t parent = no_place;
    scope_kind kind = scope_kind::root;
    cancel_cause cause = cancel_cause::none;  // of a cancel of this very scope
    bool cancelled = false;                   // this one or one around it
    bool draining = false;
    bool is_nursery = false;
    std::uint64_t host = 0;  // number of the task that opened it; 0: none
    std::uint64_t alive = 0;
    std::uint64_t waiting_to_spawn = 0;
    instant deadline = instant_never;  // its own
    std::source_location opened;
    std::source_location cancelled_at;
    std::string_view name;
    std::string_view reason;
};

/// One frame of a task's chain.
struct frame_image {
    std::source_location at;  // its current co_await
    std::source_location created;
};

/// A label that was in force in a task; see with_label().
struct label_image {
    std::string_view key;
    std::string_view value;
};

/// A task as it was seen.
struct task_image {
    std::uint64_t id = 0;
    std::uint32_t scope = no_place;  // the innermost that it was in
    std::uint32_t home = no_place;   // its nursery's
    task_state state = task_state::ready;
    bool started = false;
    bool service = false;
    bool cancelled = false;  // its scope was
    bool cancellable = true;
    bool frames_cut = false;        // there are more, further out
    std::uint16_t frames = 0;       // innermost first
    std::uint32_t first_frame = 0;  // in loop_image::frames
    std::uint32_t labels = 0;       // innermost first
    std::uint32_t first_label = 0;  // in loop_image::labels
    std::uint32_t guard = 0;
    std::source_location spawned;
    std::string_view name;
    // While it waits:
    instant age = 0;
    const char* wait_kind = "";
    const void* object = nullptr;  // an address to compare, not to follow
    std::string_view what;
    std::string_view owner;        // who should wake it, in words
    std::uint64_t owner_task = 0;  // and as a task's number, if it is one
};

/// What the task tree of a loop was, or of one scope in it: a copy that any thread may read, and
/// that stays valid when the loop is gone.
struct loop_image {
    accounting counted;
    instant taken = 0;
    std::uint32_t top = no_place;  // the scope that was asked for
    std::uint64_t missed = 0;      // tasks for which memory was lacking
    block_list<scope_image> scopes;
    block_list<task_image> tasks;
    block_list<frame_image> frames;
    block_list<label_image> labels;
    text_store texts;

    /// The earliest deadline that stands over a task; instant_never if there is none.
    [[nodiscard]] instant deadline_of(const task_image& task) const noexcept;
};

[[nodiscard]] const char* to_string(scope_kind kind) noexcept;

}  // namespace rf::detail
