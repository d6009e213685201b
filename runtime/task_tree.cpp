// SPDX-License-Identifier: MIT
#include <ringfence/runtime/task_tree.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <vector>

namespace rf {
namespace {

using detail::scope_kind;
using detail::scope_node;
using detail::task_record;
using detail::task_state;

const char* kind_name(scope_kind kind) {
    switch (kind) {
    case scope_kind::root: return "root";
    case scope_kind::nursery: return "nursery";
    case scope_kind::services: return "services";
    case scope_kind::scope: return "cancel scope";
    case scope_kind::timeout: return "timeout";
    case scope_kind::shield: return "shield";
    case scope_kind::race: return "race";
    }
    return "scope";
}

class tree_writer {
public:
    explicit tree_writer(const scope_node& top)
        : now_(loop::current() != nullptr ? loop::current()->cached_now() : 0) {
        collect(top);
        for (auto& [home, list] : by_home_)
            std::sort(list.begin(), list.end(),
                      [](const task_record* a, const task_record* b) { return a->id < b->id; });
        write_scope(top, 0);
    }
    std::string take() { return std::move(text_); }

private:
    // Every task by the nursery it is a child of, every scope by the task that opened it. Without
    // recursion: scopes nest as deep as users nest them.
    void collect(const scope_node& top) {
        std::vector<const scope_node*> todo{&top};
        while (!todo.empty()) {
            const scope_node* scope = todo.back();
            todo.pop_back();
            scope->tasks.for_each(
                [&](const task_record& task) { by_home_[task.home].push_back(&task); });
            scope->children.for_each([&](const scope_node& child) {
                if (child.host() != nullptr && child.kind() != scope_kind::services)
                    by_host_[child.host()].push_back(&child);
                todo.push_back(&child);
            });
        }
    }

    struct step {
        const scope_node* scope;
        const task_record* task;
        int depth;
    };

    void write_scope(const scope_node& top, int depth) {
        std::vector<step> todo{{&top, nullptr, depth}};
        while (!todo.empty()) {
            const step at = todo.back();
            todo.pop_back();
            std::vector<step> inside;
            if (at.task != nullptr) {
                write_task(*at.task, at.depth);
                if (const auto found = by_host_.find(at.task); found != by_host_.end())
                    for (const scope_node* scope : found->second)
                        inside.push_back({scope, nullptr, at.depth + 1});
            } else {
                write_header(*at.scope, at.depth);
                if (at.scope->nursery != nullptr) {
                    if (const auto found = by_home_.find(at.scope->nursery);
                        found != by_home_.end())
                        for (const task_record* task : found->second)
                            inside.push_back({nullptr, task, at.depth + 1});
                }
                if (at.scope->kind() == scope_kind::root)
                    at.scope->children.for_each([&](const scope_node& child) {
                        if (child.host() == nullptr) inside.push_back({&child, nullptr, at.depth});
                    });
            }
            todo.insert(todo.end(), inside.rbegin(), inside.rend());
        }
    }

    void write_header(const scope_node& scope, int depth) {
        if (scope.kind() == scope_kind::root) return;
        auto out = std::back_inserter(text_);
        fmt::format_to(out, "{:{}}{}", "", depth * 2, kind_name(scope.kind()));
        if (scope.nursery != nullptr) {
            const nursery_statistics now = scope.nursery->statistics();
            if (scope.nursery->name() != nullptr)
                fmt::format_to(out, " \"{}\"", scope.nursery->name());
            fmt::format_to(out, ", {} alive", now.live + now.services_live);
            if (now.waiting_to_spawn != 0)
                fmt::format_to(out, ", {} waiting to spawn", now.waiting_to_spawn);
        }
        if (scope.own_deadline() != instant_never)
            fmt::format_to(out, ", {} left", detail::age_text(scope.own_deadline() - now_));
        if (scope.cancelled_here())
            fmt::format_to(out, ", CANCELLED at {}: {}{}{}",
                           detail::to_string(scope.cancelled_at()), to_string(scope.cause()),
                           scope.reason().empty() ? "" : ": ", scope.reason());
        else if (scope.cancelled())
            fmt::format_to(out, ", CANCELLED from outside");
        if (scope.draining()) fmt::format_to(out, ", draining");
        fmt::format_to(out, " (opened at {})\n", detail::to_string(scope.opened()));
    }

    void write_task(const task_record& task, int depth) {
        auto out = std::back_inserter(text_);
        fmt::format_to(out, "{:{}}task {}", "", depth * 2, task.id);
        if (task.name != nullptr) fmt::format_to(out, " \"{}\"", task.name);
        if (task.service) fmt::format_to(out, " (service)");
        write_state(task);
        fmt::format_to(out, " (spawned at {})\n", detail::to_string(task.spawned));
        detail::append_async_stack(text_, task, depth * 2 + 4);
    }

    void write_state(const task_record& task) {
        auto out = std::back_inserter(text_);
        switch (task.state) {
        case task_state::ready:
            text_ += task.started ? ": ready to run" : ": not started yet";
            return;
        case task_state::running: fmt::format_to(out, ": running"); return;
        case task_state::unwinding: fmt::format_to(out, ": unwinding"); return;
        case task_state::finished: fmt::format_to(out, ": finished"); return;
        case task_state::waiting: break;
        }
        wait_description wait;
        task.wait->describe(wait);
        fmt::format_to(out, ": {} for {}, {}", wait.kind, wait.what,
                       detail::age_text(now_ - task.wait->since()));
        if (!wait.owner.empty()) fmt::format_to(out, ", to be woken by {}", wait.owner);
        if (!wait.cancellable) fmt::format_to(out, ", not cancellable");
        if (task.scope->cancelled()) fmt::format_to(out, ", CANCELLED and not yet unwound");
    }

    instant now_;
    std::string text_;
    std::unordered_map<const detail::nursery_core*, std::vector<const task_record*>> by_home_;
    std::unordered_map<const task_record*, std::vector<const scope_node*>> by_host_;
};

}  // namespace

std::string task_tree(const detail::scope_node& scope) { return tree_writer(scope).take(); }

std::string task_tree(const loop& owner) {
    std::string text = fmt::format("ringfence: {}; {} tasks started\n", owner.account().receipt(),
                                   owner.account().tasks_started);
    return text + task_tree(owner.root());
}

}  // namespace rf
