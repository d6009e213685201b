// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace rf::sync {

struct barrier_statistics {
    std::size_t waiting = 0;   // tasks that have arrived and wait for the others
    std::size_t parties = 0;   // how many make a round
    std::uint64_t rounds = 0;  // completed
};

/// Holds a number of tasks until all of them have arrived, then lets them go on together, round
/// after round.
///
///     rf::sync::barrier step(4);
///     for (;;) {
///         compute(part);
///         co_await step.arrive_and_wait();      // in each of four tasks
///     }
///
/// Order: the last to arrive makes the others ready, oldest first, and goes on without waiting.
/// Cancellation: arrive_and_wait() is a cancel point, even for the last. A cancelled wait takes its
///   arrival back: the round is short of one again. A task that will not come any more says so with
///   arrive_and_drop(), for example in a rf::scope_failure; otherwise the others wait for ever. Can
///   be a case of select.
/// Errors: a barrier of none throws std::invalid_argument; arriving after all have dropped out
///   aborts.
/// Lifetime: outlives its waiters, or aborts. Threads: one loop. Cost: never allocates.
class barrier {
public:
    class [[nodiscard]] arrive_awaiter;

    explicit barrier(std::size_t parties,
                     std::source_location made = std::source_location::current());
    ~barrier() { waiters_.require_empty(identity_); }

    /// Gives true to one task of each round, the last to arrive.
    [[nodiscard]] arrive_awaiter arrive_and_wait() noexcept;
    /// Arrives for this round, and takes no part in later ones. Never waits.
    void arrive_and_drop() noexcept {
        if (parties_ == 0) refuse();
        --parties_;
        if (arrived_ == parties_) complete();
    }

    [[nodiscard]] std::size_t parties() const noexcept { return parties_; }
    [[nodiscard]] barrier_statistics statistics() const noexcept {
        return {arrived_, parties_, rounds_};
    }

private:
    void complete() noexcept {
        ++rounds_;
        while (!waiters_.empty()) {
            --arrived_;
            waiters_.pop(identity_).grant();
        }
    }
    [[noreturn, gnu::cold]] void refuse() const noexcept;

    detail::identity identity_;
    detail::wait_queue waiters_;
    std::size_t parties_;
    std::size_t arrived_ = 0;  // the length of the line; less than parties_
    std::uint64_t rounds_ = 0;
};

// Implementation

class [[nodiscard]] barrier::arrive_awaiter final : public detail::tried_wait<arrive_awaiter> {
public:
    explicit arrive_awaiter(barrier& at) noexcept : barrier_(&at) {}

    [[nodiscard]] bool try_now() noexcept {
        if (barrier_->parties_ == 0) barrier_->refuse();
        if (barrier_->arrived_ + 1 != barrier_->parties_) return false;
        barrier_->complete();
        return last_ = true;
    }
    void start() noexcept {
        barrier_->waiters_.add(*this, barrier_->identity_);
        // Another case of the same select may have arrived since try_now().
        if (++barrier_->arrived_ == barrier_->parties_) barrier_->complete();
    }
    bool await_resume() const noexcept { return last_; }

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        --barrier_->arrived_;
        return queued_wait::cancel();
    }
    void describe(wait_description& out) const override;

private:
    barrier* barrier_;
    bool last_ = false;
};

inline barrier::arrive_awaiter barrier::arrive_and_wait() noexcept { return arrive_awaiter(*this); }

}  // namespace rf::sync
