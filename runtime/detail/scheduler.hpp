// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/task_record.hpp>

#include <cstddef>
#include <span>

namespace rf::detail {

/// Decides, in tests, which of the ready tasks of a loop goes on next. See loop::set_scheduler().
class scheduler {
public:
    scheduler() = default;
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;
    virtual ~scheduler() = default;

    /// The place in `ready`, which is not empty and in the order of the queue.
    [[nodiscard]] virtual std::size_t choose(std::span<task_record* const> ready) = 0;
    /// `task` is about to go on, or to be unwound. May cancel scopes.
    virtual void before(task_record& task) { (void)task; }
    /// It has given control back: it waits, has ended and is gone, or is ready again.
    virtual void after() {}
};

}  // namespace rf::detail
