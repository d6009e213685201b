// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace rf::leakcheck::detail {

/// Texts, each kept once and told by a number. Number 0 is the empty one.
class text_table {
public:
    text_table() { (void)number(""); }
    [[nodiscard]] std::int64_t number(std::string_view text);
    [[nodiscard]] const std::vector<const std::string*>& all() const noexcept { return texts_; }

private:
    struct hash {
        using is_transparent = void;
        [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>()(text);
        }
    };
    std::unordered_map<std::string, std::int64_t, hash, std::equal_to<>> numbers_;
    std::vector<const std::string*> texts_;
};

/// What a profile says, before it is put into bytes: samples, the lines that their stacks consist
/// of, and their labels. Texts are numbers of the table.
class profile_table {
public:
    static constexpr std::size_t values_max = 3;

    struct value_type {
        std::int64_t type;
        std::int64_t unit;
    };
    struct location {  // its number is its place, plus one; its function has the same number
        std::int64_t function;
        std::int64_t file;
        std::int64_t line;
    };
    struct label {
        std::int64_t key;
        std::int64_t text;  // 0: a number
        std::int64_t number;
        std::int64_t unit;
    };
    struct sample {
        std::uint32_t first_location;  // in `stacks`, innermost first
        std::uint32_t last_location;
        std::uint32_t first_label;  // in `labels`
        std::uint32_t last_label;
        std::array<std::int64_t, values_max> values;  // one for each of `values` of the table
    };

    text_table texts;
    std::vector<value_type> values;  // at most values_max; readers show the first
    std::vector<location> locations;
    std::vector<std::uint64_t> stacks;
    std::vector<label> labels;
    std::vector<sample> samples;

    void add_value_type(std::string_view type, std::string_view unit);

    /// A sample is begun, then has lines and labels, and is ended.
    void begin();
    void end(const std::array<std::int64_t, values_max>& of);
    void push_line(std::string_view function, std::string_view file, std::uint_least32_t line);
    void push_line(const char* function, const std::source_location& line);
    void text_label(std::string_view key, std::string_view text);
    void number_label(std::string_view key, std::int64_t number, std::string_view unit);

private:
    std::unordered_map<std::string, std::uint64_t> numbers_;  // "function\nfile:line" -> location
};

/// Puts a table into a compressed protocol buffer. Throws std::runtime_error where ringfence was
/// built without profiles.
[[nodiscard]] std::string encode_profile(const profile_table& table);
[[nodiscard]] bool can_encode_profiles() noexcept;

}  // namespace rf::leakcheck::detail
