// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/profile_table.hpp>

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>

#include <fmt/format.h>

namespace rf::leakcheck::detail {

std::int64_t text_table::number(std::string_view text) {
    const auto found = numbers_.find(text);
    if (found != numbers_.end()) return found->second;
    const auto made = numbers_.emplace(text, static_cast<std::int64_t>(texts_.size())).first;
    texts_.push_back(&made->first);
    return made->second;
}

void profile_table::add_value_type(std::string_view type, std::string_view unit) {
    RF_ASSERT(values.size() < values_max, "a profile has room for three values a sample");
    values.push_back({texts.number(type), texts.number(unit)});
}

void profile_table::begin() {
    sample& made = samples.emplace_back();
    made.first_location = static_cast<std::uint32_t>(stacks.size());
    made.first_label = static_cast<std::uint32_t>(labels.size());
}

void profile_table::end(const std::array<std::int64_t, values_max>& of) {
    sample& made = samples.back();
    made.last_location = static_cast<std::uint32_t>(stacks.size());
    made.last_label = static_cast<std::uint32_t>(labels.size());
    made.values = of;
}

void profile_table::push_line(std::string_view function, std::string_view file,
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

void profile_table::push_line(const char* function, const std::source_location& line) {
    push_line(rf::detail::short_name(function), line.file_name(), line.line());
}

void profile_table::text_label(std::string_view key, std::string_view text) {
    if (!text.empty()) labels.push_back({texts.number(key), texts.number(text), 0, 0});
}

void profile_table::number_label(std::string_view key, std::int64_t number, std::string_view unit) {
    labels.push_back({texts.number(key), 0, number, texts.number(unit)});
}

}  // namespace rf::leakcheck::detail
