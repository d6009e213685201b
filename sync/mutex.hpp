// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/held.hpp>
#include <ringfence/sync/detail/late_wait.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

namespace rf::sync {

class mutex_guard;

namespace detail {

/// A place in the line for a mutex, of lock() or of condition::wait().
class mutex_wait : public queued_wait {
public:
    explicit mutex_wait(std::source_location where) noexcept : where_(where) {}
    mutex_wait(mutex_wait&&) noexcept = default;
    [[nodiscard]] std::source_location where() const noexcept { return where_; }

protected:
    ~mutex_wait() = default;

private:
    std::source_location where_;  // of the lock(), for those who wait later
};

}  // namespace detail

struct mutex_statistics {
    std::size_t waiting = 0;
    std::uint64_t locks = 0;      // how often it was locked
    std::uint64_t contended = 0;  // of these, after waiting
};

/// Lets one task at a time into a section that contains a co_await. Where there is none, tasks of
/// one loop need no lock at all.
///
///     auto held = co_await accounts.lock();
///     co_await store(balance);                 // nobody else is between these lines
///
/// Order: first come, first served. unlock() hands over to the oldest waiter; a task that comes
///   meanwhile waits behind it. The mutex is not recursive: locking it twice in one task waits for
///   ever, and the task tree shows the task as its own owner.
/// Cancellation: lock() is a cancel point, even if the mutex is free. A cancelled wait leaves
///   nothing behind; a task that was handed the mutex and is cancelled before it runs has it, and
///   gives it back when its guard is destroyed. Can be a case of select.
/// Lifetime: outlives its waiters and its guard, or aborts. Threads: one loop.
/// Cost: never allocates; an uncontended lock() does not suspend.
class alignas(16) mutex {  // elsewhere lock() takes a third longer on EPYC
public:
    class lock_wait;
    class [[nodiscard]] lock_awaiter;

    explicit mutex(std::source_location made = std::source_location::current()) noexcept
        : identity_{"mutex", made} {}
    ~mutex() {
        waiters_.require_empty(identity_);
        if (owner_ != 0) refuse_destruction();
    }

    [[nodiscard]] lock_awaiter lock(
        std::source_location where = std::source_location::current()) noexcept;
    /// A guard that owns the mutex, or an empty one if somebody else does. Never waits.
    [[nodiscard]] mutex_guard try_lock(
        std::source_location where = std::source_location::current()) noexcept;

    [[nodiscard]] bool is_locked() const noexcept { return owner_ != 0; }
    /// The number of the task that locked it; 0 if it is free.
    [[nodiscard]] std::uint64_t owner() const noexcept { return detail::taker(owner_); }
    [[nodiscard]] mutex_statistics statistics() const noexcept {
        return {waiters_.count(), locks_, contended_};
    }

private:
    friend class mutex_guard;
    friend class condition;

    [[nodiscard]] bool take(std::source_location where) noexcept {
        if (owner_ != 0) return false;
        own(rf::detail::slot.current->id, where);
        return true;
    }
    void own(std::uint64_t task, std::source_location where) noexcept {
        owner_ = task;
        locked_at_ = where;
        ++locks_;
    }
    void unlock() noexcept {
        if (waiters_.empty())
            owner_ = 0;
        else
            hand_over();
    }
    void hand_over() noexcept;
    void hand_on() noexcept { owner_ |= detail::handed_on; }
    void describe(wait_description& out) const;
    [[noreturn, gnu::cold]] void refuse_destruction() const noexcept;

    detail::identity identity_;
    detail::wait_queue waiters_;
    std::uint64_t owner_ = 0;  // a note of detail/held; 0: free
    std::source_location locked_at_;
    std::uint64_t locks_ = 0;
    std::uint64_t contended_ = 0;
};

/// Holds a mutex, and unlocks it when destroyed. Moves; a moved-from guard holds nothing. Once it
/// has been moved, another task may have it: deadlocks around the mutex are then found later, or
/// suspected where they would be proven.
class [[nodiscard]] mutex_guard : public detail::held<mutex_guard, mutex> {
public:
    mutex_guard() noexcept = default;

    /// Unlocks now. A guard that holds no mutex aborts, and says at which line.
    void unlock(std::source_location where = std::source_location::current()) noexcept {
        give_back_now("a mutex_guard was unlocked that holds no mutex", where);
    }

private:
    friend class mutex;
    friend class condition;
    friend class detail::held<mutex_guard, mutex>;
    using held::held;
    static void give_back(mutex& lock) noexcept { lock.unlock(); }
    static void hand_on(mutex& lock) noexcept { lock.hand_on(); }
};

// Implementation

class mutex::lock_wait final : public detail::mutex_wait {
public:
    lock_wait(mutex& wanted, std::source_location where) noexcept
        : mutex_wait(where), mutex_(&wanted) {}
    void describe(wait_description& out) const override { mutex_->describe(out); }
    void owners(wait_owners& out) const override { detail::tell_owner(out, mutex_->owner_); }

private:
    template <class, class, class, class>
    friend class detail::late_wait;

    mutex* mutex_;
};

class [[nodiscard]] mutex::lock_awaiter final
    : public detail::late_wait<lock_awaiter, mutex, std::source_location, lock_wait> {
public:
    using late_wait::late_wait;

    [[nodiscard]] bool try_now() const noexcept { return of().take(wanted()); }
    void start_wait(lock_wait& wait) const noexcept { of().waiters_.add(wait, of().identity_); }
    [[nodiscard]] mutex_guard await_resume() const noexcept { return mutex_guard(of()); }
};

inline mutex::lock_awaiter mutex::lock(std::source_location where) noexcept {
    return lock_awaiter(*this, where);
}
inline mutex_guard mutex::try_lock(std::source_location where) noexcept {
    return take(where) ? mutex_guard(*this) : mutex_guard();
}

}  // namespace rf::sync
