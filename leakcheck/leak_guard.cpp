// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/leak_guard.hpp>

#include <ringfence/leakcheck/detail/wait_edges.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/label_binding.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/nursery.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace rf::leakcheck {
namespace {

using rf::detail::scope_node;
using rf::detail::task_record;

/// The guard around each guard of this thread that lives, or has left something behind.
thread_local std::unordered_map<std::uint32_t, std::uint32_t> guard_around;
// Of the process, because tasks may carry numbers to other loops.
std::atomic<std::uint32_t> last_guard{0};
std::atomic<std::uint64_t> unchecked{0};

bool is_inside(std::uint32_t guard, std::uint32_t of) {
    while (guard != of) {
        const auto found = guard_around.find(guard);
        if (found == guard_around.end()) return false;
        guard = found->second;
    }
    return true;
}

void describe_function(std::vector<std::string>& to, const char* function) {
    if (function != nullptr) to.emplace_back(rf::detail::short_name(function));
}

std::vector<std::string> labels_of(const task_record& task) {
    std::vector<std::string> all;
    rf::detail::for_each_label(task.locals, [&](const rf::detail::label_binding& label) {
        all.push_back(fmt::format("{}={}", label.key, label.value));
    });
    return all;
}

/// Names, lines and functions of the tasks around `task`: those that opened the nurseries it is in.
void describe_ancestors(leak_subject& subject, const task_record& task) {
    for (const task_record* at = &task;;) {
        at = rf::detail::home_of(*at).scope().host();
        if (at == nullptr) return;
        if (at->name() != nullptr) subject.ancestors.emplace_back(at->name());
        subject.ancestors.push_back(rf::detail::to_string(at->spawned()));
        for (const rf::detail::frame* f = at->leaf; f != nullptr; f = f->parent())
            describe_function(subject.ancestors, f->created().function_name());
    }
}

/// What is left of what `mine` says is meant, less what is allowed.
class collector {
public:
    explicit collector(leak_suppressions* allowed) : allowed_(allowed) {}

    void collect(const loop& of, const std::function<bool(const resource&)>& mine) {
        of_ = &of;
        detail::for_each_task(of, [&](const task_record& task) { tasks_.emplace(task.id, &task); });
        for (const resource& one : resource_table(of).entries)
            if (one.kind != resource_kind::operation && !one.shared && mine(one)) add(one);
    }
    /// With what is proven of the tasks that were left: why they have not ended.
    [[nodiscard]] std::string take() {
        if (left_.empty()) return std::move(text_);
        const wait_graph graph(*of_);
        for (const wait_finding& finding : graph.findings())
            if (finding.proof() && std::ranges::any_of(finding.tasks, [&](std::uint64_t id) {
                    return left_.contains(id);
                }))
                text_ += finding.text;
        return std::move(text_);
    }

private:
    void add(const resource& one) {
        leak_subject subject;
        subject.kind = one.kind;
        subject.task_id = one.task_id;
        subject.label = one.name;
        subject.site = rf::detail::to_string(one.opened);
        describe_function(subject.functions, one.function);
        subject.text = to_string(one) + "\n";
        if (one.stack != nullptr) {
            subject.labels = one.stack->labels;
            // Who spawned a task is around it.
            for (const opening_stack::line& line : one.stack->lines)
                describe_function(one.kind == resource_kind::task ? subject.ancestors
                                                                  : subject.functions,
                                  line.function);
        }
        const auto found = tasks_.find(one.task_id);
        if (found != tasks_.end()) {
            const task_record& task = *found->second;
            for (const rf::detail::frame* f = task.leaf; f != nullptr; f = f->parent())
                describe_function(subject.functions, f->created().function_name());
            describe_ancestors(subject, task);
            // A task has its own labels; what it opened, those of then.
            if (one.kind == resource_kind::task || one.stack == nullptr)
                subject.labels = labels_of(task);
            if (one.kind == resource_kind::task) {
                if (!subject.labels.empty())
                    subject.text += fmt::format("    under {}\n", fmt::join(subject.labels, ", "));
                rf::detail::append_async_stack(subject.text, task, 4);
            }
        }
        // What a task waits for was opened by the stack that is shown with the task.
        if (found == tasks_.end() || one.kind == resource_kind::task ||
            one.kind == resource_kind::descriptor || one.kind == resource_kind::ring_buffer)
            subject.text += stack_text(one, 4);
        if (allowed_ != nullptr && allowed_->allows(subject)) return;
        text_ += subject.text;
        if (one.kind == resource_kind::task) left_.insert(one.task_id);
    }

    leak_suppressions* allowed_;
    const loop* of_ = nullptr;
    std::unordered_map<std::uint64_t, const task_record*> tasks_;
    std::unordered_set<std::uint64_t> left_;  // tasks in text_
    std::string text_;
};

bool is_current(const resource& one) {
    return one.kind == resource_kind::task && rf::detail::slot.current != nullptr &&
           one.task_id == rf::detail::slot.current->id;
}

}  // namespace

std::uint64_t unchecked_leaks() noexcept { return unchecked.load(); }

leak_guard::leak_guard(std::source_location where)
    : task_(rf::detail::slot.current), number_(0), outer_(0), where_(where) {
    RF_ASSERT(task_ != nullptr, "a leak_guard guards what a task does: make it in a task");
    outer_ = task_->guard;
    do
        number_ = ++last_guard;
    while (number_ == 0);
    guard_around[number_] = outer_;
    task_->guard = number_;
    loop::here().keep_openings();
}

leak_guard::leak_guard(leak_suppressions& allowed, std::source_location where) : leak_guard(where) {
    allowed_ = &allowed;
}

leak_guard::~leak_guard() {
    RF_ASSERT(task_->guard == number_,
              "leak_guards of a task are destroyed in the order opposite to that of their making");
    task_->guard = outer_;
    const std::string all = compare(nullptr);
    const std::string left =
        checked_ || all.empty() || allowed_ == nullptr ? all : compare(allowed_);
    loop::here().drop_openings();
    // What is left may have to be told to the guard around this one.
    if (all.empty()) guard_around.erase(number_);
    if (checked_ || left.empty()) return;
    ++unchecked;
    std::fprintf(stderr, "ringfence: left behind by the block at %s:\n%s%s",
                 rf::detail::to_string(where_).c_str(), left.c_str(),
                 loop::here().recent_events().c_str());
    if (abort_) std::abort();
}

std::string leak_guard::findings() {
    checked_ = true;
    return compare(allowed_);
}

std::string leak_guard::compare(leak_suppressions* allowed) const {
    collector left(allowed);
    left.collect(loop::here(), [this](const resource& one) {
        return is_inside(one.guard, number_) && one.task_id != 0 &&
               !(one.task_id == task_->id &&
                 (one.kind == resource_kind::task || one.kind == resource_kind::timer));
    });
    return left.take();
}

std::string verify_none(const nursery& scope, leak_suppressions* allowed) {
    const loop& owner = loop::here();
    std::unordered_map<std::uint64_t, bool> inside;
    std::vector<const scope_node*> todo{&scope.scope()};
    while (!todo.empty()) {
        const scope_node* at = todo.back();
        todo.pop_back();
        at->tasks.for_each([&](const task_record& task) { inside[task.id] = true; });
        at->children.for_each([&](const scope_node& child) { todo.push_back(&child); });
    }
    if (rf::detail::slot.current != nullptr) inside.erase(rf::detail::slot.current->id);
    collector left(allowed);
    left.collect(owner, [&](const resource& one) { return inside.contains(one.task_id); });
    return left.take();
}

std::string verify_none(leak_suppressions* allowed) {
    collector left(allowed);
    left.collect(loop::here(), [](const resource& one) { return !is_current(one); });
    return left.take();
}

}  // namespace rf::leakcheck
