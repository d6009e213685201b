// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/async_stack.hpp>

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/label_binding.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/shard.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace rf::detail {

std::string_view short_name(const char* function) {
    std::string_view name(function);
    if (const auto clone = name.find("::_Z"); clone != name.npos) name = name.substr(0, clone);
    std::size_t start = 0;
    int depth = 0;  // inside <...>
    for (std::size_t i = 0; i < name.size(); ++i) {
        const std::string_view rest = name.substr(i);
        if (rest.starts_with("(anonymous ") || rest.starts_with("{anonymous}")) {
            i = std::min(name.find(rest.front() == '(' ? ')' : '}', i), name.size() - 1);
            continue;
        }
        if (name[i] == '<') ++depth;
        if (name[i] == '>') --depth;
        if (depth != 0) continue;
        if (name[i] == ' ') start = i + 1;
        if (name[i] == '(' && i > start) return name.substr(start, i - start);
    }
    return name.substr(start);
}

void append_async_stack(std::string& text, const task_record& task, int indent) {
    auto out = std::back_inserter(text);
    if (!task.started) {
        for (const frame* f = task.leaf; f != nullptr; f = f->parent())
            fmt::format_to(out, "{:{}}in {}\n", "", indent,
                           short_name(f->created().function_name()));
        return;
    }
    int shown = 0;
    const auto show = [&](const frame& one, const std::source_location& line) {
        if (++shown > 64) {
            fmt::format_to(out, "{:{}}... and more frames\n", "", indent);
            return false;
        }
        fmt::format_to(out, "{:{}}at {} in {}\n", "", indent, to_string(line),
                       short_name(one.created().function_name()));
        return true;
    };
    const frame* const first = for_each_user_frame(task, show);
    // Where the line that spawned it is the library's too, nothing else is left to go by.
    if (shown == 0 && first != nullptr && is_library_line(task.spawned()))
        (void)show(*first, line_of(*first));
}

void append_opening(std::string& text, const opening_stack& stack, const char* verb, int indent) {
    if (stack.lines.size() < 2) return;
    auto out = std::back_inserter(text);
    fmt::format_to(out, "{:{}}{} from\n", "", indent, verb);
    for (const opening_stack::line& line : stack.lines)
        fmt::format_to(out, "{:{}}at {} in {}\n", "", indent + 2, to_string(line.at),
                       short_name(line.function));
}

void append_outlived(std::string& text, const resource& one, int indent) {
    const loop* here = loop::current();
    for (const outlived_nursery& nursery : one.outlived) {
        fmt::format_to(std::back_inserter(text), "{:{}}outlives the nursery{}{}{} opened at {}", "",
                       indent, nursery.name.empty() ? "" : " \"", nursery.name,
                       nursery.name.empty() ? "" : "\"", to_string(nursery.opened));
        if (here != nullptr && here->cached_now() > nursery.closed)
            text += ", closed " + age_text(here->cached_now() - nursery.closed) + " ago";
        text += '\n';
    }
}

std::string age_text(instant span) {
    const double ms = static_cast<double>(span) / 1e6;
    if (ms < 1000) return fmt::format("{:.0f} ms", ms);
    return fmt::format("{:.1f} s", ms / 1000);
}

std::string task_text(const task_record& task) {
    std::string text = fmt::format("task {}", task.id);
    if (task.name() != nullptr) text += fmt::format(" \"{}\"", task.name());
    append_labels(text, task.locals);
    return text;
}

std::string shard_text(const loop& owner) {
    const int index = shard_index(owner);
    return index < 0 ? std::string() : fmt::format("shard {}: ", index);
}

}  // namespace rf::detail
