// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/leak_collector.hpp>

#include <ringfence/leakcheck/detail/wait_edges.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/label_binding.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace rf::leakcheck::detail {
namespace {

using rf::detail::task_record;

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

}  // namespace

leak_subject subject_of(const resource& one, const task_record* task) {
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
    if (task == nullptr) return subject;
    for (const rf::detail::frame* f = task->leaf; f != nullptr; f = f->parent())
        describe_function(subject.functions, f->created().function_name());
    describe_ancestors(subject, *task);
    // A task has its own labels; what it opened, those of then.
    if (one.kind == resource_kind::task || one.stack == nullptr) subject.labels = labels_of(*task);
    return subject;
}

leak_subject subject_of(const loop& of, const task_record& task) {
    resource one;
    one.name = task.name() != nullptr ? task.name() : "task";
    one.number = static_cast<std::int64_t>(task.id);
    one.task_id = task.id;
    one.opened = task.spawned();
    of.add_opening(one, task.id);
    return subject_of(one, &task);
}

leak_collector::leak_collector(leak_suppressions* allowed) : allowed_(allowed) {
    if (allowed != nullptr) allowed->begin_check();
}

void leak_collector::collect(const loop& of, const std::function<bool(const resource&)>& mine) {
    of_ = &of;
    for_each_task(of, [&](const task_record& task) { tasks_.emplace(task.id, &task); });
    for (const resource& one : resource_table(of).entries)
        if (mine(one)) add(one);
}

std::string leak_collector::take() {
    if (left_.empty()) return std::move(text_);
    const wait_graph graph(*of_);
    for (const wait_finding& finding : graph.findings())
        if (finding.proof() && std::ranges::any_of(finding.tasks, [&](std::uint64_t id) {
                return left_.contains(id);
            }))
            text_ += finding.text;
    return std::move(text_);
}

void leak_collector::add(const resource& one) {
    const auto found = tasks_.find(one.task_id);
    const task_record* const task = found != tasks_.end() ? found->second : nullptr;
    leak_subject subject = subject_of(one, task);
    if (task != nullptr && one.kind == resource_kind::task) {
        if (!subject.labels.empty())
            subject.text += fmt::format("    under {}\n", fmt::join(subject.labels, ", "));
        rf::detail::append_async_stack(subject.text, *task, 4);
    }
    // What a task waits for was opened by the stack that is shown with the task.
    if (task == nullptr || one.kind == resource_kind::task ||
        one.kind == resource_kind::descriptor || one.kind == resource_kind::ring_buffer)
        subject.text += stack_text(one, 4);
    if (allowed_ != nullptr && allowed_->allows(subject)) {
        if (one.kind == resource_kind::descriptor) descriptors_allowed_.insert(one.number);
        return;
    }
    text_ += subject.text;
    if (one.kind == resource_kind::task) left_.insert(one.task_id);
}

}  // namespace rf::leakcheck::detail
