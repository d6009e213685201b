// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <source_location>

namespace rf::sync {

struct latch_statistics {
    std::size_t waiting = 0;    // tasks that wait now
    std::size_t remaining = 0;  // what is left to count down
};

/// Lets tasks through once something has happened a number of times. It does not close again.
///
///     rf::sync::latch ready(3);
///     ready.count_down();             // three times, anywhere
///     co_await ready.wait();
///
/// To wait for tasks to end, leave their nursery. For rounds, use barrier.
///
/// Order: the last count_down() makes all who wait ready, oldest first. Cancellation: wait() is a
///   cancel point, even if the latch is open; a cancelled wait leaves nothing behind. Can be a case
///   of select.
/// Errors: a negative count throws std::invalid_argument; counting below zero aborts.
/// Lifetime: outlives its waiters, or aborts. Threads: one loop.
/// Cost: never allocates; wait() on an open latch does not suspend.
class latch {
public:
    class [[nodiscard]] wait_awaiter;

    /// A latch of 0 is open from the start.
    explicit latch(std::size_t count, std::source_location made = std::source_location::current())
        : identity_{"latch", made}, remaining_(detail::checked_count(count, identity_)) {}
    ~latch() { waiters_.require_empty(identity_); }

    /// Counts down by `count`, not below zero.
    void count_down(std::size_t count = 1) noexcept {
        if (count > remaining_)
            detail::misused(identity_, "it was counted down more often than it has counts");
        remaining_ -= count;
        if (remaining_ != 0) return;
        while (!waiters_.empty())
            waiters_.pop(identity_).grant();
    }
    [[nodiscard]] bool is_open() const noexcept { return remaining_ == 0; }

    [[nodiscard]] wait_awaiter wait() noexcept;

    [[nodiscard]] latch_statistics statistics() const noexcept {
        return {waiters_.count(), remaining_};
    }

private:
    detail::identity identity_;
    detail::wait_queue waiters_;
    std::size_t remaining_;
};

// Implementation

class [[nodiscard]] latch::wait_awaiter final : public detail::tried_wait<wait_awaiter> {
public:
    explicit wait_awaiter(latch& on) noexcept : latch_(&on) {}

    [[nodiscard]] bool try_now() const noexcept { return latch_->is_open(); }
    void start() noexcept { latch_->waiters_.add(*this, latch_->identity_); }
    void await_resume() const noexcept {}
    void describe(wait_description& out) const override {
        detail::describe_count(out, latch_->identity_, "be counted down", latch_->remaining_);
        out.object = latch_;
    }

private:
    latch* latch_;
};

inline latch::wait_awaiter latch::wait() noexcept { return wait_awaiter(*this); }

}  // namespace rf::sync
