// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/resource_table.hpp>

#include <ringfence/leakcheck/detail/wait_edges.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/openings.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_set>

namespace rf::leakcheck {
namespace {

using rf::detail::scope_node;
using rf::detail::task_record;
using rf::detail::task_state;

constexpr resource_kind kinds[] = {
    resource_kind::task,        resource_kind::operation,         resource_kind::descriptor,
    resource_kind::ring_buffer, resource_kind::registered_buffer, resource_kind::timer,
    resource_kind::offload_job,
};

resource from_task(resource_kind kind, const char* name, const task_record& task) {
    resource made;
    made.kind = kind;
    made.name = name;
    made.task_id = task.id;
    made.guard = task.guard;
    made.opened = task.spawned();
    for (const rf::detail::frame* f = task.leaf; f != nullptr; f = f->parent()) {
        made.function = f->created().function_name();
        if (kind != resource_kind::task) made.opened = f->at;
        if (!rf::detail::is_library_line(f->at)) break;
    }
    // It waits, so its stack is still the one that opened what it waits for.
    if (kind != resource_kind::task) made.stack = rf::detail::stack_of(task);
    return made;
}

/// `asked`: tasks whose requests are in `to` already.
void add_task(std::vector<resource>& to, const loop& of, const task_record& task,
              const std::unordered_set<std::uint64_t>& asked) {
    to.push_back(
        from_task(resource_kind::task, task.name() != nullptr ? task.name() : "task", task));
    to.back().number = static_cast<std::int64_t>(task.id);
    of.add_opening(to.back(), task.id);
    if (task.state != task_state::waiting) return;
    wait_description wait;
    task.wait->describe(wait);
    const std::string_view kind = wait.kind;
    if (kind == "io" && !asked.contains(task.id))
        to.push_back(from_task(resource_kind::operation, "request of a waiting task", task));
    else if (kind == "sleep" && !wait.owner.empty())  // not one without end
        to.push_back(from_task(resource_kind::timer, "sleep", task));
    else if (kind == "offload")
        to.push_back(from_task(resource_kind::offload_job, "offloaded call", task));
}

/// The stack of `task` from the function of `opened` out, which stands for where that has come to.
std::shared_ptr<const opening_stack> stack_below(const task_record& task,
                                                 std::source_location opened) {
    const std::shared_ptr<const opening_stack> whole = rf::detail::stack_of(task);
    if (whole == nullptr) return nullptr;
    auto made = std::make_shared<opening_stack>(*whole);
    const auto at = std::ranges::find_if(made->lines, [&](const opening_stack::line& one) {
        // GCC has a name of its own for the function that a coroutine goes on in.
        return rf::detail::short_name(one.function) ==
               rf::detail::short_name(opened.function_name());
    });
    if (at == made->lines.end()) return nullptr;  // a helper that is no coroutine opened it
    at->at = opened;
    made->lines.erase(made->lines.begin(), at);
    return made;
}

void add_deadline(std::vector<resource>& to, const scope_node& scope) {
    if (scope.own_deadline() == instant_never || scope.cancelled_here()) return;
    resource made;
    made.kind = resource_kind::timer;
    made.name = "deadline of a scope";
    made.opened = scope.opened();
    if (const task_record* host = scope.host(); host != nullptr) {
        made.task_id = host->id;
        made.guard = host->guard;
        made.stack = stack_below(*host, scope.opened());
    }
    to.push_back(made);
}

}  // namespace

resource_table::resource_table(const loop& of) : counted(of.account()) {
    std::unordered_set<std::uint64_t> asked;
    if (of.openings() != nullptr)
        of.openings()->list([&](const resource& one) {
            entries.push_back(one);
            if (one.kind == resource_kind::operation) asked.insert(one.task_id);
        });
    std::vector<const scope_node*> todo{&of.root()};
    while (!todo.empty()) {
        const scope_node* scope = todo.back();
        todo.pop_back();
        add_deadline(entries, *scope);
        scope->tasks.for_each([&](const task_record& task) { add_task(entries, of, task, asked); });
        scope->children.for_each([&](const scope_node& child) { todo.push_back(&child); });
    }
    of.ledger().for_each(
        [&](const descriptor_entry& entry) { entries.push_back(entry.as_resource(of)); });
    of.list_resources([&](const resource& one) { entries.push_back(one); });
}

std::uint64_t resource_table::count(resource_kind kind) const noexcept {
    std::uint64_t found = 0;
    for (const resource& one : entries)
        found += one.kind == kind ? 1 : 0;
    return found;
}

std::uint64_t resource_table::total(resource_kind kind) const noexcept {
    switch (kind) {
    case resource_kind::task: return counted.tasks_live;
    case resource_kind::operation: return counted.operations;
    case resource_kind::descriptor: return counted.descriptors;
    case resource_kind::ring_buffer: return counted.buffers;
    case resource_kind::registered_buffer: return count(kind);
    case resource_kind::timer: return counted.timers;
    case resource_kind::offload_job: return counted.offload_jobs;
    }
    return 0;
}

std::string resource_table::describe() const {
    std::string text;
    for (const resource& one : entries)
        text += to_string(one) + "\n" + stack_text(one, 4);
    return text + describe_unnamed();
}

std::string resource_table::describe_unnamed() const {
    std::string text;
    for (const resource_kind kind : kinds)
        if (const std::uint64_t named = count(kind), all = total(kind); all > named)
            text += fmt::format("{} more of class {}, held by objects\n", all - named,
                                rf::to_string(kind));
    return text;
}

std::string to_string(const resource& one) {
    std::string text = rf::to_string(one.kind);
    if (one.number >= 0) text += fmt::format(" {}", one.number);
    const bool unnamed = std::string_view(one.name) == rf::to_string(one.kind);
    if (*one.name != '\0' && !unnamed) text += fmt::format(" ({})", one.name);
    if (one.opened.line() != 0)
        text += fmt::format("{} {}", one.kind == resource_kind::task ? " spawned at" : " opened at",
                            rf::detail::to_string(one.opened));
    if (one.function != nullptr)
        text += fmt::format("{} {}", one.kind == resource_kind::task ? ", now in" : " in",
                            rf::detail::short_name(one.function));
    if (one.task_id != 0 && one.kind != resource_kind::task)
        text += fmt::format(" by task {}", one.task_id);
    // Whoever spawned a task may have had other labels than it has.
    if (one.stack != nullptr && one.kind != resource_kind::task && !one.stack->labels.empty())
        text += fmt::format(" under {}", fmt::join(one.stack->labels, ", "));
    return text;
}

std::string stack_text(const resource& one, int indent) {
    std::string text;
    rf::detail::append_outlived(text, one, indent);
    if (one.stack != nullptr)
        rf::detail::append_opening(text, *one.stack,
                                   one.kind == resource_kind::task ? "spawned" : "opened", indent);
    return text;
}

}  // namespace rf::leakcheck
