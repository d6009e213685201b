// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/registry.hpp>

#include <ringfence/runtime/detail/frame.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstddef>
#include <mutex>
#include <source_location>
#include <string>
#include <type_traits>

// Of classes that inherit; every compiler that ringfence knows has it.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace rf::detail {
namespace {

std::mutex loops_changing;

#if RF_BOOKKEEPING
constexpr std::uint32_t noted(std::size_t offset) { return static_cast<std::uint32_t>(offset); }
#else
constexpr std::uint32_t noted(std::size_t) { return registry_layout::nowhere; }
#endif

// What libstdc++ keeps behind a source_location; registry_test.cpp compares.
struct line_of_libstdcxx {
    const char* file;
    const char* function;
    unsigned line;
    unsigned column;
};
// Its last member. offsetof() would need a friend, and for a class with a friend GCC takes a
// protected destructor for a public one, and warns of it.
constexpr std::size_t since_of_waiter = sizeof(waiter) - sizeof(instant);
static_assert(sizeof(std::source_location) == sizeof(void*));
static_assert(std::is_standard_layout_v<list_hook>);
static_assert(sizeof(intrusive_list<task_record>) == sizeof(list_hook));

}  // namespace

/// Sees what is private.
struct registry_access {
    [[nodiscard]] static constexpr registry_layout describe() {
        return {
            .magic = "ringfence tasks",
            .version = registry_layout::version_here,
            .bytes = sizeof(registry_layout),
            .library = "0.1.0",
            .loops = nullptr,
            .loop_live = offsetof(loop, live_),
            .loop_root = offsetof(loop, root_),
            .loop_now = offsetof(loop, now_),
            .loop_beat = offsetof(loop, beat_),
            .loop_tasks_live = offsetof(loop, counters_) + offsetof(accounting, tasks_live),
            .loop_tasks_started = offsetof(loop, counters_) + offsetof(accounting, tasks_started),
            .hook_previous = offsetof(list_hook, previous),
            .hook_next = offsetof(list_hook, next),
            .scope_bytes = sizeof(scope_node),
            .scope_tasks = offsetof(scope_node, tasks),
            .scope_children = offsetof(scope_node, children),
            .scope_parent = offsetof(scope_node, parent_),
            .scope_host = offsetof(scope_node, host_),
            .scope_nursery = offsetof(scope_node, nursery),
            .scope_deadline = offsetof(scope_node, deadline_),
            .scope_opened = offsetof(scope_node, opened_),
            .scope_cancelled_at = offsetof(scope_node, cancelled_at_),
            .scope_literal_reason = offsetof(scope_node, literal_reason_),
            .scope_reason = offsetof(scope_node, reason_),
            .scope_kind = offsetof(scope_node, kind_),
            .scope_cause = offsetof(scope_node, cause_),
            .scope_cancelled = offsetof(scope_node, cancelled_),
            .scope_draining = offsetof(scope_node, draining_),
            .nursery_scope = offsetof(nursery_core, scope_),
            .nursery_name = offsetof(nursery_core, options_) + offsetof(nursery_options, name),
            .task_bytes = sizeof(task_record),
            .task_wait = offsetof(task_record, wait),
            .task_scope = offsetof(task_record, scope),
            .task_leaf = offsetof(task_record, leaf),
            .task_id = offsetof(task_record, id),
            .task_spawned = offsetof(task_record, origin),
            .task_named_tag = task_origin::name_tag,
            .task_state = offsetof(task_record, state),
            .task_started = offsetof(task_record, started),
            .task_service = offsetof(task_record, service),
            .named_name = offsetof(task_origin::name_plate, name),
            .named_spawned = offsetof(task_origin::name_plate, spawned),
            .wait_since = noted(since_of_waiter),
            .frame_bytes = sizeof(frame),
            .frame_at = noted(offsetof(frame, at)),
            .frame_created = noted(offsetof(frame, created_)),
            .frame_link = offsetof(frame, link_),
            .frame_link_tag = frame::state_mask,
            .link_parent = offsetof(await_link, parent_),
            .link_parent_tag = 1,
            .line_file = offsetof(line_of_libstdcxx, file),
            .line_function = offsetof(line_of_libstdcxx, function),
            .line_number = offsetof(line_of_libstdcxx, line),
        };
    }
};

live_loop::live_loop() noexcept : next_(nullptr), place_(nullptr) {
    const std::scoped_lock lock(loops_changing);
    next_ = rf_registry.loops;
    place_ = &rf_registry.loops;
    if (next_ != nullptr) next_->place_ = &next_;
    rf_registry.loops = this;
}

live_loop::~live_loop() {
    const std::scoped_lock lock(loops_changing);
    *place_ = next_;
    if (next_ != nullptr) next_->place_ = place_;
}

}  // namespace rf::detail

[[gnu::used, gnu::visibility("default")]] constinit rf::detail::registry_layout rf_registry =
    rf::detail::registry_access::describe();
