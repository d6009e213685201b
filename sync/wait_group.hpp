// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <source_location>

namespace rf::sync {

struct wait_group_statistics {
    std::size_t waiting = 0;  // tasks that wait now
    std::size_t pending = 0;  // what was added and is not done
};

/// Counts things under way, and lets tasks wait until none is: sync.WaitGroup, for those who come
/// from Go.
///
///     group.add();                    // before the work starts
///     group.done();                   // when it has ended, on every path
///     co_await group.wait();
///
/// The second choice: a done() that is forgotten, or skipped by an exception, is a wait for ever,
/// which the compiler cannot see. A nursery waits for its children by itself. This is for work that
/// is not one task each, such as requests in a queue.
///
/// Order: the done() that brings the count to zero makes all who wait ready, oldest first; an add()
///   right after does not hold them back. Cancellation: wait() is a cancel point, even at zero; a
///   cancelled wait leaves nothing behind. Can be a case of select.
/// Errors: a done() without its add(), and a negative number, abort.
/// Lifetime: outlives its waiters, or aborts. Threads: one loop.
/// Cost: never allocates; wait() at zero does not suspend.
class wait_group {
public:
    class [[nodiscard]] wait_awaiter;

    explicit wait_group(std::source_location made = std::source_location::current()) noexcept
        : identity_{"wait_group", made} {}
    ~wait_group() { waiters_.require_empty(identity_); }

    void add(std::size_t count = 1) noexcept {
        if (count > detail::most_counts - pending_)
            detail::misused(identity_, "a negative number was added; use done()");
        pending_ += count;
    }
    void done(std::size_t count = 1) noexcept {
        if (count > pending_)
            detail::misused(identity_, "more was done than was added; add() comes before the work "
                                       "starts, and done() once for each");
        pending_ -= count;
        if (pending_ != 0) return;
        while (!waiters_.empty())
            waiters_.pop(identity_).grant();
    }
    [[nodiscard]] std::size_t pending() const noexcept { return pending_; }

    [[nodiscard]] wait_awaiter wait() noexcept;

    [[nodiscard]] wait_group_statistics statistics() const noexcept {
        return {waiters_.count(), pending_};
    }

private:
    detail::identity identity_;
    detail::wait_queue waiters_;
    std::size_t pending_ = 0;
};

// Implementation

class [[nodiscard]] wait_group::wait_awaiter final : public detail::tried_wait<wait_awaiter> {
public:
    explicit wait_awaiter(wait_group& on) noexcept : group_(&on) {}

    [[nodiscard]] bool try_now() const noexcept { return group_->pending_ == 0; }
    void start() noexcept { group_->waiters_.add(*this, group_->identity_); }
    void await_resume() const noexcept {}
    void describe(wait_description& out) const override {
        detail::describe_count(out, group_->identity_, "be done", group_->pending_);
        out.object = group_;
    }

private:
    wait_group* group_;
};

inline wait_group::wait_awaiter wait_group::wait() noexcept { return wait_awaiter(*this); }

}  // namespace rf::sync
