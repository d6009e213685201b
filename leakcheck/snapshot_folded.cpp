// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/snapshot_formats.hpp>
#include <ringfence/runtime/cancel_error.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace rf::leakcheck::detail {
namespace {

using rf::detail::frame_image;
using rf::detail::frame_words;
using rf::detail::loop_image;
using rf::detail::no_place;
using rf::detail::task_image;
using rf::detail::task_state;

constexpr std::size_t nurseries_max = 16;  // shown around one task

class folder {
public:
    explicit folder(const loop_image& image) : image_(image), paths_(image.scopes.size()) {}

    void run(const rf::detail::text_sink& sink) {
        for (std::size_t i = 0; i < image_.tasks.size(); ++i)
            ++counts_[line_of(image_.tasks[i])];
        std::vector<const decltype(counts_)::value_type*> sorted;
        for (const auto& one : counts_)
            sorted.push_back(&one);
        std::ranges::sort(sorted, {}, [](const auto* one) { return std::string_view(one->first); });
        std::string text;
        for (const auto* one : sorted) {
            text += fmt::format("{} {}\n", one->first, one->second);
            if (text.size() < 64 * 1024) continue;
            sink(text);
            text.clear();
        }
        sink(text);
    }

private:
    // A semicolon ends a frame, and a line break the stack.
    static void append(std::string& to, std::string_view words) {
        for (const char c : words)
            to += c == ';' || c == '\n' ? ',' : c;
    }

    const std::string& path_of(std::uint32_t home) {
        std::string& path = paths_[home];
        if (!path.empty()) return path;
        std::vector<std::uint32_t> around;
        for (std::uint32_t at = home; at != no_place && around.size() < nurseries_max;
             at = image_.scopes[at].parent)
            if (image_.scopes[at].is_nursery) around.push_back(at);
        for (; !around.empty(); around.pop_back()) {
            append(path, nursery_name(image_.scopes[around.back()]));
            path += ';';
        }
        return path;
    }

    std::string line_of(const task_image& task) {
        stack_.clear();
        (void)dictionary_.for_each(image_, task, [&](const frame_image&, const frame_words& words) {
            stack_.push_back(&words);
        });
        std::string line = path_of(task.home);
        for (; !stack_.empty(); stack_.pop_back()) {
            append(line, stack_.back()->function);
            if (!stack_.back()->place.empty() && task.started) {
                line += " (";
                append(line, stack_.back()->place);
                line += ')';
            }
            line += ';';
        }
        line += '[';
        append(line, task.state == task_state::waiting ? task.wait_kind : state_word(task));
        line += ']';
        return line;
    }

    const loop_image& image_;
    std::vector<std::string> paths_;  // by scope: the nurseries around it, outermost first
    std::vector<const frame_words*> stack_;
    std::unordered_map<std::string, std::uint64_t> counts_;
    rf::detail::frame_dictionary dictionary_;
};

}  // namespace

std::string nursery_name(const rf::detail::scope_image& scope) {
    if (!scope.name.empty()) return std::string(scope.name);
    return fmt::format("{} at {}", rf::detail::to_string(scope.kind),
                       rf::detail::to_string(scope.opened));
}

void write_folded(const loop_image& image, const rf::detail::text_sink& sink) {
    folder(image).run(sink);
}

}  // namespace rf::leakcheck::detail
