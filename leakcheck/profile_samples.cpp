// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/profile_samples.hpp>

#include <ringfence/leakcheck/detail/snapshot_formats.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>

#include <fmt/format.h>

namespace rf::leakcheck::detail {

using rf::detail::frame_image;
using rf::detail::frame_words;
using rf::detail::scope_image;
using rf::detail::short_name;
using rf::detail::task_image;
using rf::detail::task_state;

std::int64_t text_table::number(std::string_view text) {
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) return found->second;
    const auto made = numbers_.emplace(text, static_cast<std::int64_t>(texts_.size())).first;
    texts_.push_back(&made->first);
    return made->second;
}

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
    values = {{texts.number(counted_word(of.kind())), texts.number("count")},
              {texts.number(of.kind() == profile_kind::block ? "delay" : "age"),
               texts.number("nanoseconds")}};
    if (of.kind() == profile_kind::fd) add_descriptors();
    for (std::size_t i = 0; i < image_.tasks.size(); ++i)
        if (wanted(image_.tasks[i])) add_task(image_.tasks[i]);
    if (of.kind() == profile_kind::timer) {
        add_deadlines();
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
    push_line(short_name(task.spawned.function_name()), task.spawned.file_name(),
              task.spawned.line());
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
    end(1, task.age);
}

void profile_samples::add_deadlines() {
    for (std::size_t i = 0; i < image_.scopes.size(); ++i) {
        const scope_image& scope = image_.scopes[i];
        if (scope.deadline == instant_never || scope.cause != cancel_cause::none) continue;
        begin();
        push_line(short_name(scope.opened.function_name()), scope.opened.file_name(),
                  scope.opened.line());
        text_label("scope", nursery_name(scope));
        text_label("object", "deadline of a scope");
        if (scope.host != 0) number_label("task", static_cast<std::int64_t>(scope.host), "");
        number_label("left", scope.deadline - image_.taken, "nanoseconds");
        end(1, 0);
    }
}

void profile_samples::add_descriptors() {
    for (const resource& one : of_.descriptors()) {
        begin();
        const char* function = one.function != nullptr ? one.function : one.opened.function_name();
        if (one.stack == nullptr)
            push_line(short_name(function), one.opened.file_name(), one.opened.line());
        else
            push_stack(*one.stack);
        text_label("object", one.name);
        number_label("fd", one.number, "");
        if (one.task_id != 0) number_label("task", static_cast<std::int64_t>(one.task_id), "");
        end(1, 0);
    }
}

void profile_samples::push_stack(const opening_stack& stack) {
    for (const opening_stack::line& line : stack.lines)
        push_line(short_name(line.function), line.at.file_name(), line.at.line());
    push_line(short_name(stack.spawned.function_name()), stack.spawned.file_name(),
              stack.spawned.line());
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
    end(rest, 0);
}

void profile_samples::begin() {
    sample& made = samples.emplace_back();
    made.first_location = static_cast<std::uint32_t>(stacks.size());
    made.first_label = static_cast<std::uint32_t>(labels.size());
}

void profile_samples::end(std::int64_t count, std::int64_t age) {
    sample& made = samples.back();
    made.last_location = static_cast<std::uint32_t>(stacks.size());
    made.last_label = static_cast<std::uint32_t>(labels.size());
    made.count = count;
    made.age = age;
}

void profile_samples::push_line(std::string_view function, std::string_view file,
                                std::uint_least32_t line) {
    std::string key = fmt::format("{}\n{}:{}", function, file, line);
    const auto found = numbers_.find(key);
    if (found != numbers_.end()) {
        stacks.push_back(found->second);
        return;
    }
    locations.push_back({texts.number(function), texts.number(file), line});
    numbers_.emplace(std::move(key), locations.size());
    stacks.push_back(locations.size());
}

void profile_samples::text_label(std::string_view key, std::string_view text) {
    if (!text.empty()) labels.push_back({texts.number(key), texts.number(text), 0, 0});
}

void profile_samples::number_label(std::string_view key, std::int64_t number,
                                   std::string_view unit) {
    labels.push_back({texts.number(key), 0, number, texts.number(unit)});
}

}  // namespace rf::leakcheck::detail
