// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/snapshot_formats.hpp>
#include <ringfence/runtime/cancel_error.hpp>

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <source_location>
#include <utility>

namespace rf::leakcheck::detail {
namespace {

using rf::detail::frame_image;
using rf::detail::frame_words;
using rf::detail::loop_image;
using rf::detail::no_place;
using rf::detail::scope_image;
using rf::detail::task_image;
using rf::detail::task_state;

/// The length of the UTF-8 character that `text` begins with; 0 if it does not.
std::size_t character_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const unsigned char second = byte(1);  // no surrogates, nothing longer than needed
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
    return length;
}

class json_writer {
public:
    json_writer(const loop_image& image, const rf::detail::text_sink& sink)
        : image_(image), sink_(sink) {}

    void run() {
        text_ = "{\"format\": \"ringfence-snapshot\", \"version\": 1";
        number("tasks_started", image_.counted.tasks_started);
        number("tasks_live", image_.counted.tasks_live);
        number("operations", image_.counted.operations);
        number("timers", image_.counted.timers);
        number("buffers", image_.counted.buffers);
        number("descriptors", image_.counted.descriptors);
        number("offload_jobs", image_.counted.offload_jobs);
        if (image_.missed != 0) number("tasks_missed", image_.missed);
        text_ += ",\n\"scopes\": [";
        for (std::size_t i = 0; i < image_.scopes.size(); ++i) {
            text_ += i == 0 ? "\n" : ",\n";
            scope(i, image_.scopes[i]);
            flush_when_full();
        }
        text_ += "],\n\"tasks\": [";
        for (std::size_t i = 0; i < image_.tasks.size(); ++i) {
            text_ += i == 0 ? "\n" : ",\n";
            task(image_.tasks[i]);
            flush_when_full();
        }
        text_ += "]}\n";
        sink_(text_);
    }

private:
    void flush_when_full() {
        if (text_.size() < 64 * 1024) return;
        sink_(text_);
        text_.clear();
    }

    void key(std::string_view name) {
        text_ += ", \"";
        text_ += name;
        text_ += "\": ";
    }
    template <class Number>
    void number(std::string_view name, Number value) {
        key(name);
        const fmt::format_int digits(value);
        text_.append(digits.data(), digits.size());
    }
    void string(std::string_view name, std::string_view value) {
        key(name);
        append_json_string(text_, value);
    }
    void flag(std::string_view name, bool value) {
        if (!value) return;
        key(name);
        text_ += "true";
    }
    void place(std::string_view name, const std::source_location& where) {
        string(name, dictionary_.place(where));
    }
    void deadline(instant when) {
        if (when != instant_never) number("deadline_in_ns", when - image_.taken);
    }

    void scope(std::size_t place_here, const scope_image& one) {
        text_ += "{\"scope\": " + fmt::format_int(place_here).str();
        string("kind", rf::detail::to_string(one.kind));
        if (one.parent != no_place) number("parent", one.parent);
        if (one.host != 0) number("host_task", one.host);
        if (!one.name.empty()) string("name", one.name);
        place("opened", one.opened);
        if (one.is_nursery) {
            number("alive", one.alive);
            number("waiting_to_spawn", one.waiting_to_spawn);
        }
        deadline(one.deadline);
        flag("draining", one.draining);
        flag("cancelled", one.cancelled);
        if (one.cause != cancel_cause::none) {
            string("cancel_cause", rf::to_string(one.cause));
            place("cancelled_at", one.cancelled_at);
            if (!one.reason.empty()) string("cancel_reason", one.reason);
        }
        text_ += '}';
    }

    void task(const task_image& one) {
        text_ += "{\"task\": " + fmt::format_int(one.id).str();
        if (!one.name.empty()) string("name", one.name);
        number("nursery", one.home);
        number("scope", one.scope);
        string("state", state_word(one));
        place("spawned", one.spawned);
        labels(one);
        flag("service", one.service);
        flag("cancelled", one.cancelled);
        deadline(image_.deadline_of(one));
        if (one.state == task_state::waiting) wait(one);
        key("stack");
        text_ += '[';
        bool first = true;
        const bool more = dictionary_.for_each(
            image_, one, [&](const frame_image& frame, const frame_words& words) {
                text_ += std::exchange(first, false) ? "{\"function\": " : ", {\"function\": ";
                append_json_string(text_, words.function);
                const std::source_location& line = frame.at.line() != 0 ? frame.at : frame.created;
                string("file", line.file_name());
                number("line", line.line());
                text_ += '}';
            });
        text_ += ']';
        flag("more_frames", more);
        text_ += '}';
    }

    void labels(const task_image& one) {
        if (one.labels == 0) return;
        key("labels");
        for (std::uint32_t i = 0; i < one.labels; ++i) {
            const rf::detail::label_image& label = image_.labels[one.first_label + i];
            text_ += i == 0 ? "{" : ", ";
            append_json_string(text_, label.key);
            text_ += ": ";
            append_json_string(text_, label.value);
        }
        text_ += '}';
    }

    void wait(const task_image& one) {
        key("wait");
        text_ += "{\"kind\": ";
        append_json_string(text_, one.wait_kind);
        string("for", one.what);
        number("age_ns", one.age);
        if (one.object != nullptr) string("object", fmt::format("{}", one.object));
        if (!one.owner.empty()) string("owner", one.owner);
        if (one.owner_task != 0) number("owner_task", one.owner_task);
        flag("not_cancellable", !one.cancellable);
        text_ += '}';
    }

    const loop_image& image_;
    const rf::detail::text_sink& sink_;
    std::string text_;
    rf::detail::frame_dictionary dictionary_;
};

}  // namespace

std::string_view state_word(const task_image& task) noexcept {
    switch (task.state) {
    case task_state::ready: return task.started ? "ready" : "new";
    case task_state::running: return "running";
    case task_state::waiting: return "waiting";
    case task_state::unwinding: return "unwinding";
    case task_state::finished: return "finished";
    }
    return "unknown";
}

void append_json_string(std::string& to, std::string_view text) {
    to += '"';
    while (!text.empty()) {
        const char c = text.front();
        const std::size_t length = character_length(text);
        if (length == 0)
            to += "\\ufffd";
        else if (c == '"' || c == '\\')
            (to += '\\') += c;
        else if (static_cast<unsigned char>(c) < 0x20)
            fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<unsigned>(c));
        else
            to += text.substr(0, length);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    to += '"';
}

void write_json(const loop_image& image, const rf::detail::text_sink& sink) {
    json_writer(image, sink).run();
}

}  // namespace rf::leakcheck::detail
