// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/waiter.hpp>

#include <cstdint>

namespace rf::detail {

/// The wait of a task in a select, as its cases see it. A case is a waiter whose resume() does not
/// make a task ready but decides the select: the other cases are taken back at once, before
/// anybody else runs, so that exactly one takes effect.
class select_wait : public waiter {
public:
    /// The task that waits, by number.
    [[nodiscard]] std::uint64_t task_id() const noexcept { return waiting_task_id(); }

    /// `winner` has taken effect: takes the others back and resumes.
    virtual void decided(waiter& winner) noexcept = 0;

protected:
    select_wait() noexcept = default;
    select_wait(select_wait&&) noexcept = default;
    ~select_wait() = default;
};

}  // namespace rf::detail
