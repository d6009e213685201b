// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/sync/detail/held.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

namespace rf::sync {

class once_turn;

struct once_statistics {
    std::size_t waiting = 0;     // tasks that wait for the one that tries
    std::uint64_t attempts = 0;  // how often the work was begun
    bool done = false;
};

/// Does something the first time it is asked for, while all others who ask wait for that.
///
///     rf::sync::once loaded;
///     co_await loaded.call([&] { return load(config); });
///
/// Order: who asks first tries. An attempt that threw or was cancelled counts for nothing: its
///   error is its caller's, and the oldest that waits tries next.
/// Cancellation: begin() and call() are cancel points, even when the work is done; a cancelled wait
///   leaves nothing behind. A task whose turn it became and that is cancelled before it runs passes
///   the turn on. begin() can be a case of select.
/// Calling it from within its own work waits for ever; the task tree shows the task as its own
///   owner.
/// Lifetime: outlives its callers, or aborts. Threads: one loop.
/// Cost: call() takes one frame, begin() none.
class once {
public:
    class [[nodiscard]] begin_awaiter;

    explicit once(std::source_location made = std::source_location::current()) noexcept
        : identity_{"once", made} {}
    ~once();

    /// Returns when `work` has been done, here or elsewhere. `work` is a callable that returns a
    /// task, a task, or an operation.
    template <rf::detail::work Work>
    [[nodiscard]] task<> call(Work work,
                              std::source_location where = std::source_location::current());

    /// The turn to do the work, which ends with finish(); an empty one if it is done. Waits while
    /// another task has the turn.
    [[nodiscard]] begin_awaiter begin(
        std::source_location where = std::source_location::current()) noexcept;

    [[nodiscard]] bool is_done() const noexcept { return done_; }
    [[nodiscard]] once_statistics statistics() const noexcept {
        return {waiters_.count(), attempts_, done_};
    }

private:
    friend class once_turn;

    void own(std::uint64_t task, std::source_location where) noexcept {
        owner_ = task;
        begun_at_ = where;
        ++attempts_;
    }
    void finish() noexcept;
    void give_up() noexcept;
    void hand_on() noexcept { owner_ |= detail::handed_on; }
    void describe(wait_description& out) const;

    detail::identity identity_;
    detail::wait_queue waiters_;
    std::uint64_t owner_ = 0;  // of the turn, a note of detail/held; 0: nobody
    std::source_location begun_at_;
    std::uint64_t attempts_ = 0;
    bool done_ = false;
};

/// The turn to do what is done once: true if the work is this task's to do. Destroyed without
/// finish(), it goes to the next that waits.
class [[nodiscard]] once_turn : public detail::held<once_turn, once> {
public:
    once_turn() noexcept = default;

    /// The work is done: all who wait go on. An empty turn aborts, and says at which line.
    void finish(std::source_location where = std::source_location::current()) noexcept {
        if (owner_ == nullptr) [[unlikely]]
            detail::refuse_give_back("a once_turn was finished that is empty", where);
        std::exchange(owner_, nullptr)->finish();
    }

private:
    friend class once;
    friend class detail::held<once_turn, once>;
    using held::held;
    static void give_back(once& of) noexcept { of.give_up(); }
    static void hand_on(once& of) noexcept { of.hand_on(); }
};

// Implementation

class [[nodiscard]] once::begin_awaiter final : public detail::tried_wait<begin_awaiter> {
public:
    begin_awaiter(once& of, std::source_location where) noexcept : once_(&of), where_(where) {}

    [[nodiscard]] bool try_now() noexcept {
        if (once_->done_) return true;
        if (once_->owner_ != 0) return false;
        once_->own(rf::detail::slot.current->id, where_);
        return mine_ = true;
    }
    void start() noexcept { once_->waiters_.add(*this, once_->identity_); }
    [[nodiscard]] once_turn await_resume() const noexcept {
        return mine_ ? once_turn(*once_) : once_turn();
    }
    void describe(wait_description& out) const override { once_->describe(out); }
    void owners(wait_owners& out) const override { detail::tell_owner(out, once_->owner_); }

private:
    friend class once;

    once* once_;
    std::source_location where_;
    bool mine_ = false;
};

inline once::begin_awaiter once::begin(std::source_location where) noexcept {
    return begin_awaiter(*this, where);
}

template <rf::detail::work Work>
task<> once::call(Work work, std::source_location where) {
    once_turn turn = co_await begin(where);
    if (!turn) co_return;
    co_await rf::detail::start_work(work);
    turn.finish();
}

}  // namespace rf::sync
