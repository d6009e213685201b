// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/profile_samples.hpp>

#include <ringfence/leakcheck/detail/snapshot_formats.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>

#include <algorithm>

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
    const bool by_task = of.kind() == profile_kind::fd || of.kind() == profile_kind::inflight ||
                         of.kind() == profile_kind::timer;
    for (std::size_t i = 0; by_task && i < image_.tasks.size(); ++i)
        tasks_.emplace(image_.tasks[i].id, &image_.tasks[i]);
    if (of.kind() == profile_kind::inflight) {
        add_requests();
        return;
    }
    for (std::size_t i = 0; i < image_.tasks.size(); ++i)
        if (wanted(image_.tasks[i])) add_task(image_.tasks[i]);
    if (of.kind() == profile_kind::timer) add_deadlines();
    for (const resource& one : of.opened())
        add_opened(one);
    if (of.kind() == profile_kind::timer) add_rest(image_.counted.timers, "timers of objects");
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
    text_label("scope", scope_name(task.home));
    text_label("name", task.name);
    number_label("task", static_cast<std::int64_t>(task.id), "");
    for (std::uint32_t i = 0; i < task.labels; ++i) {
        const rf::detail::label_image& one = image_.labels[task.first_label + i];
        text_label(one.key, one.value);
    }
    if (task.cancelled) text_label("cancelled", "yes");
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

// The books are exact about who asked, and the image about who waits. A task with one request that
// waits for a request waits for that, so it speaks for it. What a socket asked for on behalf of a
// task that does something else has the stack of then. A request that is not in the books is that
// of a task that waits, as long as there are more requests than were named.
void profile_samples::add_requests() {
    std::unordered_map<std::uint64_t, std::size_t> asked;
    for (const resource& one : of_.opened())
        ++asked[one.task_id];
    for (const resource& one : of_.opened()) {
        const task_image* const task = find(one.task_id);
        if (task != nullptr && wanted(*task) && asked[one.task_id] == 1)
            add_task(*task);
        else
            add_opened(one);
    }
    // Without books there is nothing to tell a task's request from that of an object it waits at.
    for (std::size_t i = 0; i < image_.tasks.size(); ++i) {
        const task_image& task = image_.tasks[i];
        const bool room = of_.opened().empty() || samples.size() < image_.counted.operations;
        if (room && wanted(task) && !asked.contains(task.id)) add_task(task);
    }
    add_rest(image_.counted.operations, "operations of objects");
}

void profile_samples::add_deadlines() {
    for (std::size_t i = 0; i < image_.scopes.size(); ++i) {
        const scope_image& scope = image_.scopes[i];
        if (scope.deadline == instant_never || scope.cause != cancel_cause::none) continue;
        const task_image* const host = find(scope.host);
        begin();
        if (host == nullptr || !push_stack_below(*host, scope.opened))
            push_line(scope.opened.function_name(), scope.opened);
        text_label("state", "armed");
        text_label("scope", nursery_name(scope));
        text_label("object", "deadline of a scope");
        if (host != nullptr) text_label("name", host->name);
        if (scope.host != 0) number_label("task", static_cast<std::int64_t>(scope.host), "");
        number_label("left", scope.deadline - image_.taken, "nanoseconds");
        end({1, 0});
    }
}

void profile_samples::add_opened(const resource& one) {
    begin();
    push_opening(one);
    text_label("state", one.kind == resource_kind::operation ? "in flight"
                        : one.kind == resource_kind::timer   ? "armed"
                                                             : "open");
    text_label("object", one.name);
    const task_image* const task = find(one.task_id);
    text_label("scope", task != nullptr && one.scope.empty() ? scope_name(task->home)
                                                             : std::string_view(one.scope));
    if (task != nullptr) text_label("name", task->name);
    if (!one.outlived.empty()) {
        const outlived_nursery& nursery = one.outlived.front();
        text_label("outlives",
                   nursery.name.empty() ? rf::detail::to_string(nursery.opened) : nursery.name);
    }
    if (one.kind == resource_kind::descriptor) number_label("fd", one.number, "");
    if (one.task_id != 0) number_label("task", static_cast<std::int64_t>(one.task_id), "");
    // The image may be of the moment before.
    const instant age = std::max<instant>(image_.taken - one.since, 0);
    number_label("age", age, "nanoseconds");
    end({1, age});
}

void profile_samples::push_opening(const resource& one) {
    if (one.stack == nullptr) {
        push_line(one.function != nullptr ? one.function : one.opened.function_name(), one.opened);
        return;
    }
    for (const opening_stack::line& line : one.stack->lines)
        push_line(line.function, line.at);
    push_line(one.stack->spawned.function_name(), one.stack->spawned);
    for (const std::string_view pair : one.stack->labels) {
        const std::size_t end = pair.find('=');
        text_label(pair.substr(0, end), pair.substr(end + 1));
    }
}

bool profile_samples::push_stack_below(const task_image& task, const std::source_location& opened) {
    bool found = false;
    const std::string_view function = rf::detail::short_name(opened.function_name());
    (void)dictionary_.for_each(
        image_, task, [&](const frame_image& frame, const frame_words& words) {
            const std::source_location& line = frame.at.line() != 0 ? frame.at : frame.created;
            if (found) return push_line(words.function, line.file_name(), line.line());
            // GCC has a name of its own for the function that a coroutine goes on in.
            if (rf::detail::short_name(frame.created.function_name()) != function) return;
            found = true;
            push_line(words.function, opened.file_name(), opened.line());
        });
    if (found) push_line(task.spawned.function_name(), task.spawned);
    return found;
}

const task_image* profile_samples::find(std::uint64_t task) const {
    const auto found = tasks_.find(task);
    return found != tasks_.end() ? found->second : nullptr;
}

std::string_view profile_samples::scope_name(std::uint32_t scope) {
    std::string& name = scope_names_[scope];
    if (name.empty()) name = nursery_name(image_.scopes[scope]);
    return name;
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
