// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/task_record.hpp>

#include <source_location>

namespace rf::detail {

/// Whether a line is the library's own, or the standard library's: such a line tells a user
/// nothing.
[[nodiscard]] bool is_library_line(const std::source_location& line) noexcept;

/// Whether it is the standard library's: so the default argument of a constructor says that is
/// called by std::make_shared and its like.
[[nodiscard]] bool is_standard_library_line(const std::source_location& line) noexcept;

/// Where `one` is: its current, or last, co_await; before the first, the beginning of the
/// coroutine.
[[nodiscard]] inline std::source_location line_of(const frame& one) noexcept {
    const std::source_location at = one.at;
    return at.line() != 0 ? at : one.created();
}

/// Calls `visit(frame, line)` for each frame of `task` that is the user's, innermost first, until
/// it returns false. Returns the frame that it has come to: if all are the library's, the first of
/// the task.
template <class Visit>
const frame* for_each_user_frame(const task_record& task, Visit&& visit) {
    const frame* last = nullptr;
    for (const frame* f = task.leaf; f != nullptr; f = f->parent()) {
        last = f;
        const std::source_location line = line_of(*f);
        if (!is_library_line(line) && !visit(*f, line)) break;
    }
    return last;
}

/// The line of the user's that `task` is at: its innermost co_await outside the library. Before the
/// first, the beginning of the coroutine; where all is the library's, the line that spawned it.
/// Cost: a look at each frame from the innermost out, up to that one.
[[nodiscard]] std::source_location user_line(const task_record& task) noexcept;

}  // namespace rf::detail
