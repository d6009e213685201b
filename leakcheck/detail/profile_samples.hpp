// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/profile.hpp>
#include <ringfence/runtime/detail/image_text.hpp>
#include <ringfence/runtime/detail/task_image.hpp>

#include <cstdint>
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
struct profile_samples {
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
        std::int64_t count;
        std::int64_t age;
    };

    explicit profile_samples(const task_profile& of);

    text_table texts;
    std::vector<value_type> values;  // two: the count, and the age in nanoseconds
    std::vector<location> locations;
    std::vector<std::uint64_t> stacks;
    std::vector<label> labels;
    std::vector<sample> samples;

private:
    [[nodiscard]] bool wanted(const rf::detail::task_image& task) const;
    void add_task(const rf::detail::task_image& task);
    void add_deadlines();
    void add_descriptors();
    void push_stack(const opening_stack& stack);
    void add_rest(std::uint64_t counted, std::string_view words);

    void begin();
    void end(std::int64_t count, std::int64_t age);
    void push_line(std::string_view function, std::string_view file, std::uint_least32_t line);
    void text_label(std::string_view key, std::string_view text);
    void number_label(std::string_view key, std::int64_t number, std::string_view unit);

    const task_profile& of_;
    const rf::detail::loop_image& image_;
    rf::detail::frame_dictionary dictionary_;
    std::unordered_map<std::string, std::uint64_t> numbers_;  // "function\nfile:line" -> location
    std::vector<std::string> scope_names_;
};

/// Puts samples into a compressed protocol buffer. Only where can_encode_profiles().
[[nodiscard]] std::string encode_profile(const profile_samples& samples);
[[nodiscard]] bool can_encode_profiles() noexcept;

}  // namespace rf::leakcheck::detail
