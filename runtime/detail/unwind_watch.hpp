// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/task_record.hpp>

namespace rf::detail {

/// Hears how cancelled tasks of a loop come to their end. See loop::watch_unwinding().
class unwind_watch {
public:
    unwind_watch(const unwind_watch&) = delete;
    unwind_watch& operator=(const unwind_watch&) = delete;

    /// The frames of `task` are about to be destroyed, from its leaf out, because `scope` was
    /// cancelled. Again for each scope around it that it leaves in the same way.
    virtual void unwinds(const task_record& task, const scope_node& scope) noexcept = 0;
    /// `task` has returned, though `scope` was cancelled. The frame that ran last is still there.
    virtual void returns(const task_record& task, const scope_node& scope) noexcept = 0;

protected:
    unwind_watch() = default;
    ~unwind_watch() = default;
};

}  // namespace rf::detail
