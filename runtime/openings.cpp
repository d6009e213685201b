// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/openings.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/label_binding.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/object_timer.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <unordered_set>
#include <utility>
#include <vector>

namespace rf::detail {
namespace {

constexpr std::size_t lines_max = 64;
constexpr std::size_t nurseries_max = 8;

std::shared_ptr<opening_stack> copy_stack(const task_record& task) {
    auto made = std::make_shared<opening_stack>();
    made->spawned = task.spawned();
    const frame* const first =
        for_each_user_frame(task, [&](const frame& one, const std::source_location& line) {
            made->lines.push_back({line, one.created().function_name()});
            return made->lines.size() < lines_max;
        });
    if (made->lines.empty() && first != nullptr)
        made->lines.push_back({line_of(*first), first->created().function_name()});
    for_each_label(task.locals, [&](const label_binding& label) {
        made->labels.push_back(fmt::format("{}={}", label.key, label.value));
    });
    return made;
}

}  // namespace

std::shared_ptr<const opening_stack> stack_of(const task_record& task) noexcept {
    RF_TRY { return copy_stack(task); }
    RF_CATCH(const std::exception&) { return nullptr; }
}

void openings::note(resource_kind kind, std::uint64_t number, std::source_location line) noexcept {
    const task_record* task = slot.current;
    if (task == nullptr) return forget(kind, number);
    RF_TRY {
        std::shared_ptr<opening_stack> made = copy_stack(*task);
        if (line.line() != 0 && !made->lines.empty()) made->lines.front().at = line;
        const auto [at, fresh] = entries_.try_emplace({kind, number});
        at->second = {task->id, task->guard, std::move(made), {}, loop::here().cached_now()};
        if (kind != resource_kind::task) at->second.inside = nurseries_around(*task);
        if (kind != resource_kind::task || !fresh) return;
        if (++tasks_ > tasks_max_) forget_ended_tasks(loop::here());
    }
    // The number may have been that of another thing.
    RF_CATCH(const std::exception&) { forget(kind, number); }
}

void openings::forget(resource_kind kind, std::uint64_t number) noexcept {
    if (entries_.erase({kind, number}) != 0 && kind == resource_kind::task) --tasks_;
}

// The root nursery, which ends with the run, is nobody's in particular.
openings::nurseries openings::nurseries_around(const task_record& task) {
    nurseries found;
    for (const scope_node* at = task.scope; at != nullptr && found.size() < nurseries_max;
         at = at->parent()) {
        if (at->nursery == nullptr || at->host() == nullptr) continue;
        std::shared_ptr<around>& known = open_nurseries_[at->nursery];
        if (known == nullptr) {
            known = std::make_shared<around>();
            known->open = at->nursery;
            known->nursery.number = ++nurseries_seen_;
            known->nursery.opened = at->opened();
            if (const char* name = at->nursery->name(); name != nullptr) known->nursery.name = name;
        }
        found.push_back(known);
    }
    return found;
}

void openings::nursery_closes(const nursery_core& which, instant now) noexcept {
    const auto found = open_nurseries_.find(&which);
    if (found == open_nurseries_.end()) return;
    const std::shared_ptr<around> known = std::move(found->second);
    open_nurseries_.erase(found);
    if (known == nullptr) return;  // there was no memory for it
    known->open = nullptr;
    known->nursery.closed = now;
    if (on_nursery_closed) on_nursery_closed(known->nursery.number);
}

void openings::add_to(resource& to, std::uint64_t number) const {
    const auto found = entries_.find({to.kind, number});
    if (found == entries_.end()) return;
    to.stack = found->second.stack;
    if (to.since == 0) to.since = found->second.since;
    if (!found->second.inside.empty()) {
        const outlived_nursery& innermost = found->second.inside.front()->nursery;
        to.scope = !innermost.name.empty() ? innermost.name
                                           : "nursery at " + detail::to_string(innermost.opened);
    }
    for (const std::shared_ptr<around>& one : found->second.inside)
        if (one->open == nullptr)
            to.outlived.push_back(one->nursery);
        else
            to.inside.push_back(one->open);
}

void openings::list(const resource_visitor& visit) const {
    for (const auto& [which, one] : entries_) {
        resource made;
        made.kind = which.kind;
        if (which.kind == resource_kind::operation) {
            made.name = "request";
        } else if (which.kind == resource_kind::timer) {
            const object_timer& subject = *reinterpret_cast<const object_timer*>(which.number);
            if (!subject.armed()) continue;
            made.name = subject.name();
            made.shared = true;
        } else {
            continue;
        }
        made.task_id = one.task;
        made.guard = one.guard;
        if (!one.stack->lines.empty()) {
            made.function = one.stack->lines.front().function;
            made.opened = one.stack->lines.front().at;
        }
        add_to(made, which.number);
        visit(made);
    }
}

// Tasks do not tell when they end, so that ending costs nothing.
void openings::forget_ended_tasks(const loop& owner) {
    std::unordered_set<std::uint64_t> alive;
    std::vector<const scope_node*> todo{&owner.root()};
    while (!todo.empty()) {
        const scope_node* scope = todo.back();
        todo.pop_back();
        scope->tasks.for_each([&](const task_record& task) { alive.insert(task.id); });
        scope->children.for_each([&](const scope_node& child) { todo.push_back(&child); });
    }
    // The newest may not be in the tree yet.
    std::erase_if(entries_, [&](const auto& one) {
        return one.first.kind == resource_kind::task && one.first.number < owner.last_task_id() &&
               !alive.contains(one.first.number);
    });
    tasks_ = alive.size();
    tasks_max_ = std::max<std::size_t>(1024, 2 * tasks_);
}

}  // namespace rf::detail
