// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/resource.hpp>

#include <source_location>
#include <string>
#include <string_view>

namespace rf {
class loop;
}

namespace rf::detail {

/// A function's name as people write it: without return type and arguments.
[[nodiscard]] std::string_view short_name(const char* function);

/// Appends the chain of co_await lines of `task`, innermost first, one line each, indented by
/// `indent`; at most 64. Frames of the library are left out, unless there is no other.
void append_async_stack(std::string& text, const task_record& task, int indent);

/// Appends the stack that opened something, below the headline "<verb> from", all indented; nothing
/// if it is a single line, which the text before says already.
void append_opening(std::string& text, const opening_stack& stack, const char* verb, int indent);

/// Appends a line for each nursery that has closed with it still open, indented.
void append_outlived(std::string& text, const resource& one, int indent);

/// "250 ms", "3.2 s".
[[nodiscard]] std::string age_text(instant span);

/// "task 7 "name" {tenant=7}".
[[nodiscard]] std::string task_text(const task_record& task);

/// What a report of this loop begins with: "shard 1: ", or nothing where there are no shards.
[[nodiscard]] std::string shard_text(const loop& owner);

}  // namespace rf::detail
