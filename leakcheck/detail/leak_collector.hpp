// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/leak_suppressions.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/resource.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace rf::leakcheck::detail {

/// What `one` is to suppressions. `task` is who opened it, or the task itself, if it is still
/// there. The text is the headline alone.
[[nodiscard]] leak_subject subject_of(const resource& one, const rf::detail::task_record* task);
/// A task that waits.
[[nodiscard]] leak_subject subject_of(const loop& of, const rf::detail::task_record& task);

/// Puts into words what is left of a loop's resources, less what is allowed. One collector is one
/// check: what was expected is counted anew.
///
/// Threads: the loop's. Holds pointers into the loop: for a look, not to keep.
class leak_collector {
public:
    /// `allowed` may be null.
    explicit leak_collector(leak_suppressions* allowed);

    /// Adds those of the loop's resources that `mine` picks.
    void collect(const loop& of, const std::function<bool(const resource&)>& mine);

    /// Their text so far, with what is proven of the tasks: why they have not ended.
    [[nodiscard]] std::string take();

    /// Descriptors that were left, and allowed.
    [[nodiscard]] const std::unordered_set<std::int64_t>& descriptors_allowed() const noexcept {
        return descriptors_allowed_;
    }

private:
    void add(const resource& one);

    leak_suppressions* allowed_;
    const loop* of_ = nullptr;
    std::unordered_map<std::uint64_t, const rf::detail::task_record*> tasks_;
    std::unordered_set<std::uint64_t> left_;  // tasks in text_
    std::unordered_set<std::int64_t> descriptors_allowed_;
    std::string text_;
};

}  // namespace rf::leakcheck::detail
