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

/// The line of the user's that `task` is at: its innermost co_await outside the library. Before the
/// first, the beginning of the coroutine; where all is the library's, the line that spawned it.
/// Cost: a look at each frame from the innermost out, up to that one.
[[nodiscard]] std::source_location user_line(const task_record& task) noexcept;

}  // namespace rf::detail
