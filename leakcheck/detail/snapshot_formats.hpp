// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/image_text.hpp>
#include <ringfence/runtime/detail/task_image.hpp>

#include <string>
#include <string_view>

namespace rf::leakcheck::detail {

/// The state of a task as one word: "ready", "new", "running", "waiting", "unwinding", "finished".
[[nodiscard]] std::string_view state_word(const rf::detail::task_image& task) noexcept;

/// What a nursery is called: its name, or where it was opened.
[[nodiscard]] std::string nursery_name(const rf::detail::scope_image& scope);

/// Appends `text` as a JSON string, with its quotes. What is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& to, std::string_view text);

void write_json(const rf::detail::loop_image& image, const rf::detail::text_sink& sink);
void write_folded(const rf::detail::loop_image& image, const rf::detail::text_sink& sink);

}  // namespace rf::leakcheck::detail
