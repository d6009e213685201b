// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/sync/mutex.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

namespace rf::sync {

struct condition_statistics {
    std::size_t waiting = 0;     // tasks that wait to be notified
    std::size_t returning = 0;   // tasks that were, and do not run yet
    std::uint64_t notified = 0;  // how many were, so far
};

/// Lets a task that holds a mutex wait until another has changed what the mutex protects.
///
///     auto held = co_await state.lock();
///     co_await changed.wait(held, [&] { return !jobs.empty(); });
///     ...                                    // held again, and there is a job
///
/// wait() unlocks the mutex, waits to be notified, and holds the mutex again when it returns.
/// Where the thing waited for is an item, a permit or a flag: channel, semaphore and event need no
/// mutex.
///
/// Order: notify_one() takes the oldest. Who was notified goes to the end of the mutex's line at
///   once, and does not run before the mutex is its own: no herd, and nobody passes it.
/// Spurious returns: a notification whose task is cancelled on the way goes to the next that waits.
///   Which may have come later: check what you waited for, or give the predicate.
/// Cancellation: wait() is a cancel point. Cancelled, it leaves no trace but one: the guard is
///   empty and the mutex unlocked, because to lock it again would be to wait. A task that has the
///   mutex again returns normally. No case of select, as losing would unlock too: race it, or wait
///   for an event.
/// Errors: a guard that holds nothing, or two mutexes at a time, abort with the condition's name.
/// Lifetime: outlives its waiters, also those on their way back, or aborts. Threads: one loop.
/// Cost: never allocates; the form with a predicate takes one frame.
class condition {
public:
    class [[nodiscard]] wait_awaiter;

    explicit condition(std::source_location made = std::source_location::current()) noexcept
        : identity_{"condition", made} {}
    ~condition();

    /// Waits to be notified. `held` must hold a mutex, the same one for all who wait.
    [[nodiscard]] wait_awaiter wait(
        mutex_guard& held, std::source_location where = std::source_location::current()) noexcept;
    /// Waits until `holds()` is true, which is asked only while the mutex is held.
    template <std::predicate Predicate>
    [[nodiscard]] task<> wait(mutex_guard& held, Predicate holds,
                              std::source_location where = std::source_location::current());

    /// Lets the oldest that waits go on. Is nobody there, nothing happens. The caller need not hold
    /// the mutex.
    void notify_one() noexcept {
        if (!waiters_.empty()) wake(true);
    }
    /// Lets all go on that wait now.
    void notify_all() noexcept {
        while (!waiters_.empty())
            wake(false);
    }

    [[nodiscard]] condition_statistics statistics() const noexcept {
        return {waiters_.count(), returning_, notified_};
    }

private:
    void wake(bool alone) noexcept;
    /// Puts `wait` in line and gives the mutex up.
    void begin(wait_awaiter& wait) noexcept;
    void check(const mutex_guard& held) const noexcept;

    detail::identity identity_;
    detail::wait_queue waiters_;
    mutex* mutex_ = nullptr;  // of those who wait
    std::size_t returning_ = 0;
    std::uint64_t notified_ = 0;
};

// Implementation

class [[nodiscard]] condition::wait_awaiter final : public detail::mutex_wait {
public:
    wait_awaiter(condition& on, mutex_guard& held, std::source_location where) noexcept
        : mutex_wait(where), condition_(&on), guard_(&held), mutex_(held.owner_) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept;
    void await_resume() noexcept;
    void on_removed() noexcept override;
    void describe(wait_description& out) const override;

private:
    friend class condition;

    enum class phase : unsigned char { waiting, notified_alone, notified };

    condition* condition_;
    mutex_guard* guard_;
    mutex* mutex_;
    phase phase_ = phase::waiting;
    bool handed_on_ = false;  // the guard had been, before the wait
};

inline condition::wait_awaiter condition::wait(mutex_guard& held,
                                               std::source_location where) noexcept {
    check(held);
    return wait_awaiter(*this, held, where);
}

template <std::predicate Predicate>
task<> condition::wait(mutex_guard& held, Predicate holds, std::source_location where) {
    check(held);
    co_await this_task::checkpoint();
    while (!holds())
        co_await wait(held, where);
}

}  // namespace rf::sync
