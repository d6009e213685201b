// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/profile_samples.hpp>

#include <ringfence/leakcheck/detail/snapshot_formats.hpp>
#include <ringfence/runtime/cancel_error.hpp>

namespace rf::leakcheck::detail {

using rf::detail::frame_image;
using rf::detail::frame_words;
using rf::detail::scope_image;
using rf::detail::task_image;
using rf::detail::task_state;

namespace {

std::string_view counted_word(profile_kind kind) {
    switch (kind) {
    case profile_kind::task:
    case profile_kind::taskleak: return "tasks";
    case profile_kind::fd: return "descriptors";
    case profile_kind::inflight: return "operations";
    case profile_kind::timer: return "timers";
    case profile_kind::block: return "waits";
    }
    return "samples";
}

bool is_sleep(const task_image& task) {
    // Without end, it has no timer, and nobody who wakes it.
    return std::string_view(task.wait_kind) == "sleep" && !task.owner.empty();
}

}  // namespace

profile_samples::profile_samples(const task_profile& of)
    : of_(of), image_(*of.seen().image()), scope_names_(image_.scopes.size()) {
    add_value_type(counted_word(of.kind()), "count");
    add_value_type(of.kind() == profile_kind::block ? "delay" : "age", "nanoseconds");
    for (const resource& one : of.descriptors())
        add_opened(one);
    for (std::size_t i = 0; i < image_.tasks.size(); ++i)
        if (wanted(image_.tasks[i])) add_task(image_.tasks[i]);
    if (of.kind() == profile_kind::timer) {
        add_deadlines();
        for (const resource& one : of.object_timers())
            add_opened(one);
        add_rest(image_.counted.timers, "timers of objects");
    }
    if (of.kind() == profile_kind::inflight)
        add_rest(image_.counted.operations, "operations of objects");
}

bool profile_samples::wanted(const task_image& task) const {
    const bool waits = task.state == task_state::waiting;
    const std::string_view kind = task.wait_kind;
    switch (of_.kind()) {
    case profile_kind::task: return true;
    case profile_kind::taskleak: return of_.proven().contains(task.id);
    case profile_kind::inflight: return waits && kind == "io";
    case profile_kind::timer: return waits && is_sleep(task);
    case profile_kind::block: return waits && kind != "io" && kind != "sleep" && kind != "offload";
    case profile_kind::fd: break;
    }
    return false;
}

void profile_samples::add_task(const task_image& task) {
    begin();
    (void)dictionary_.for_each(
        image_, task, [&](const frame_image& frame, const frame_words& words) {
            const std::source_location& line = frame.at.line() != 0 ? frame.at : frame.created;
            push_line(words.function, line.file_name(), line.line());
        });
    push_line(task.spawned.function_name(), task.spawned);
    text_label("state", state_word(task));
    std::string& scope = scope_names_[task.home];
    if (scope.empty()) scope = nursery_name(image_.scopes[task.home]);
    text_label("scope", scope);
    text_label("name", task.name);
    for (std::uint32_t i = 0; i < task.labels; ++i) {
        const rf::detail::label_image& one = image_.labels[task.first_label + i];
        text_label(one.key, one.value);
    }
    if (task.cancelled) text_label("cancelled", "yes");
    number_label("task", static_cast<std::int64_t>(task.id), "");
    if (task.state == task_state::waiting) {
        text_label("wait", task.wait_kind);
        text_label("object", task.what);
        text_label("owner", task.owner);
        number_label("age", task.age, "nanoseconds");
    }
    if (const auto proof = of_.proven().find(task.id); proof != of_.proven().end())
        text_label("verdict", to_string(proof->second));
    end({1, task.age});
}

void profile_samples::add_deadlines() {
    for (std::size_t i = 0; i < image_.scopes.size(); ++i) {
        const scope_image& scope = image_.scopes[i];
        if (scope.deadline == instant_never || scope.cause != cancel_cause::none) continue;
        begin();
        push_line(scope.opened.function_name(), scope.opened);
        text_label("scope", nursery_name(scope));
        text_label("object", "deadline of a scope");
        if (scope.host != 0) number_label("task", static_cast<std::int64_t>(scope.host), "");
        number_label("left", scope.deadline - image_.taken, "nanoseconds");
        end({1, 0});
    }
}

void profile_samples::add_opened(const resource& one) {
    begin();
    const char* function = one.function != nullptr ? one.function : one.opened.function_name();
    if (one.stack == nullptr)
        push_line(function, one.opened);
    else
        push_stack(*one.stack);
    text_label("object", one.name);
    if (!one.outlived.empty()) {
        const outlived_nursery& nursery = one.outlived.front();
        text_label("outlives",
                   nursery.name.empty() ? rf::detail::to_string(nursery.opened) : nursery.name);
    }
    if (one.kind == resource_kind::descriptor) number_label("fd", one.number, "");
    if (one.task_id != 0) number_label("task", static_cast<std::int64_t>(one.task_id), "");
    end({1, 0});
}

void profile_samples::push_stack(const opening_stack& stack) {
    for (const opening_stack::line& line : stack.lines)
        push_line(line.function, line.at);
    push_line(stack.spawned.function_name(), stack.spawned);
    for (const std::string_view one : stack.labels) {
        const std::size_t end = one.find('=');
        text_label(one.substr(0, end), one.substr(end + 1));
    }
}

// What the loop counts and no task waits for.
void profile_samples::add_rest(std::uint64_t counted, std::string_view words) {
    if (counted <= samples.size()) return;
    const auto rest = static_cast<std::int64_t>(counted - samples.size());
    begin();
    push_line(words, "", 0);
    text_label("object", words);
    end({rest, 0});
}

}  // namespace rf::leakcheck::detail
