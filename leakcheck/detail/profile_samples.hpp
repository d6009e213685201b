// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/profile_table.hpp>
#include <ringfence/leakcheck/profile.hpp>
#include <ringfence/runtime/detail/image_text.hpp>
#include <ringfence/runtime/detail/task_image.hpp>

#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace rf::leakcheck::detail {

/// The samples of a profile of tasks, and of what they have open. Two values: the count, and the
/// age in nanoseconds.
class profile_samples : public profile_table {
public:
    explicit profile_samples(const task_profile& of);

private:
    [[nodiscard]] bool wanted(const rf::detail::task_image& task) const;
    void add_task(const rf::detail::task_image& task);
    void add_requests();
    void add_deadlines();
    void add_opened(const resource& one);
    void push_opening(const resource& one);
    /// The stack of the task from the function of `opened` out, which stands for where that is.
    [[nodiscard]] bool push_stack_below(const rf::detail::task_image& task,
                                        const std::source_location& opened);
    [[nodiscard]] const rf::detail::task_image* find(std::uint64_t task) const;
    [[nodiscard]] std::string_view scope_name(std::uint32_t scope);
    void add_rest(std::uint64_t counted, std::string_view words);

    const task_profile& of_;
    const rf::detail::loop_image& image_;
    rf::detail::frame_dictionary dictionary_;
    std::vector<std::string> scope_names_;
    std::unordered_map<std::uint64_t, const rf::detail::task_image*> tasks_;
};

}  // namespace rf::leakcheck::detail
