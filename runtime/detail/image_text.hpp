// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/task_image.hpp>
#include <ringfence/runtime/detail/user_line.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rf::detail {

/// Takes text piece by piece.
using text_sink = std::function<void(std::string_view)>;

/// A line of a stack as people read it.
struct frame_words {
    std::string_view function;  // without return type and arguments
    std::string place;          // "echo.cpp:9"
    bool library = false;       // ringfence's own: tells a user nothing
};

/// Words for frames, each made once: there are many frames and few lines.
class frame_dictionary {
public:
    [[nodiscard]] const frame_words& of(const frame_image& frame);
    [[nodiscard]] const std::string& place(const std::source_location& line);

    /// Calls `visit(const frame_image&, const frame_words&)` for the frames of `task` that a user
    /// knows, innermost first, at most 64. Returns whether there are more.
    template <class Visit>
    bool for_each(const loop_image& image, const task_image& task, Visit&& visit);

private:
    struct key {
        const char* file;
        const char* function;
        std::uint_least32_t line;
        friend bool operator==(const key&, const key&) = default;
    };
    struct key_hash {
        [[nodiscard]] std::size_t operator()(const key& one) const noexcept {
            const auto file = reinterpret_cast<std::uintptr_t>(one.file);
            const auto function = reinterpret_cast<std::uintptr_t>(one.function);
            return (file * 31 + function) * 31 + one.line;
        }
    };
    std::unordered_map<key, frame_words, key_hash> words_;
};

/// Who is a child of whom in an image, in the order in which a tree shows them.
///
/// Every task and every scope is in it once. What hangs on a task that ended while the image was
/// made comes last, at the top.
class image_tree {
public:
    struct entry {
        std::uint32_t place;  // of a scope or a task
        bool is_task;
        std::int32_t depth;
    };
    explicit image_tree(const loop_image& image);
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

private:
    void add_from(std::uint32_t scope);

    const loop_image& image_;
    std::vector<std::vector<std::uint32_t>> children_;  // scope -> tasks of its nursery
    std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> opened_;  // task -> scopes
    std::vector<std::uint32_t> without_host_;
    std::vector<bool> shown_;
    std::vector<entry> entries_;
};

/// Writes the tree of an image, indented. `addresses`: also those of what is waited for.
void write_tree(const loop_image& image, bool addresses, const text_sink& sink);

// Implementation

template <class Visit>
bool frame_dictionary::for_each(const loop_image& image, const task_image& task, Visit&& visit) {
    int shown = 0;
    for (std::uint32_t i = 0; i < task.frames; ++i) {
        const frame_image& frame = image.frames[task.first_frame + i];
        const frame_words& words = of(frame);
        if (task.started && words.library) {
            // All of the library's are left out, unless nothing would be left to go by.
            const bool outermost = i + 1 == task.frames && !task.frames_cut;
            if (!outermost || shown != 0 || !is_library_line(task.spawned)) continue;
        }
        if (++shown > 64) return true;
        visit(frame, words);
    }
    return task.frames_cut;
}

}  // namespace rf::detail
