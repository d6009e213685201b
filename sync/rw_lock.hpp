// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/held.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

namespace rf::sync {

class exclusive_guard;
class shared_guard;

struct rw_lock_statistics {
    std::size_t waiting = 0;      // tasks in line, for either use
    std::size_t readers = 0;      // shared guards out now
    std::uint64_t exclusive = 0;  // how often it was locked for one
    std::uint64_t shared = 0;     // and for many
    std::uint64_t contended = 0;  // of all these, after waiting
};

/// Lets many tasks read, or one write, across a co_await. Where there is none, tasks of one loop
/// need no lock at all.
///
///     auto reading = co_await table.lock_shared();      // together with other readers
///     auto writing = co_await table.lock();             // alone
///
/// Order: first come, first served, in one line: a writer waits for those who hold the lock when it
///   comes, and readers who come later wait behind it, so that neither starves. Readers next to
///   each other in line are let in together. Not recursive: a reader that locks again waits for
///   ever if a writer came between.
/// Cancellation: both are cancel points, even if the lock is free. A cancelled wait leaves nothing
///   behind, and a writer that leaves the line lets the readers behind it pass; a task that was let
///   in and is cancelled before it runs gives back when its guard is destroyed. Both can be cases
///   of select.
/// Lifetime: outlives its waiters and its guards, or aborts. Threads: one loop.
/// Cost: never allocates; uncontended, neither suspends.
class rw_lock {
public:
    template <class Guard>
    class [[nodiscard]] lock_awaiter;

    explicit rw_lock(std::source_location made = std::source_location::current()) noexcept
        : identity_{"rw_lock", made} {}
    ~rw_lock() {
        waiters_.require_empty(identity_);
        if (writer_ != 0 || readers_ != 0) refuse_destruction();
    }

    [[nodiscard]] lock_awaiter<exclusive_guard> lock(
        std::source_location where = std::source_location::current()) noexcept;
    [[nodiscard]] lock_awaiter<shared_guard> lock_shared(
        std::source_location where = std::source_location::current()) noexcept;
    /// A guard, or an empty one if it cannot be had now, or others wait. Never waits.
    [[nodiscard]] exclusive_guard try_lock(
        std::source_location where = std::source_location::current()) noexcept;
    [[nodiscard]] shared_guard try_lock_shared(
        std::source_location where = std::source_location::current()) noexcept;

    /// The number of the task that locked it for itself alone; 0 if none did.
    [[nodiscard]] std::uint64_t writer() const noexcept { return detail::taker(writer_); }
    /// How many shared guards there are.
    [[nodiscard]] std::size_t readers() const noexcept { return readers_; }
    [[nodiscard]] rw_lock_statistics statistics() const noexcept {
        return {waiters_.count(), readers_, exclusive_, shared_, contended_};
    }

private:
    friend class exclusive_guard;
    friend class shared_guard;

    class place : public detail::queued_wait {
    public:
        place(bool exclusive, std::source_location where) noexcept
            : where_(where), exclusive_(exclusive) {}
        place(place&&) noexcept = default;
        [[nodiscard]] bool exclusive() const noexcept { return exclusive_; }
        [[nodiscard]] std::source_location where() const noexcept { return where_; }

    protected:
        ~place() = default;

    private:
        std::source_location where_;
        bool exclusive_;
    };

    [[nodiscard]] bool free_for(bool exclusive) const noexcept {
        return writer_ == 0 && (!exclusive || readers_ == 0);
    }
    void own(bool exclusive, std::uint64_t task, std::source_location where) noexcept {
        if (exclusive) {
            writer_ = task;
            locked_at_ = where;
            ++exclusive_;
        } else {
            ++readers_;
            readers_sum_ += task;
            ++shared_;
        }
    }
    /// Who has the one shared guard, as a note of detail/held; 0 if there is not just one.
    [[nodiscard]] std::uint64_t only_reader() const noexcept {
        return readers_ == 1 ? readers_sum_ : 0;
    }
    [[nodiscard]] bool take(bool exclusive, std::source_location where) noexcept {
        if (!free_for(exclusive) || !waiters_.empty()) return false;
        own(exclusive, rf::detail::slot.current->id, where);
        return true;
    }
    void hand_on() noexcept { writer_ |= detail::handed_on; }
    /// Returns what the reader is in the sum from now on. With one reader the sum is exact, since
    /// overflow wraps.
    [[nodiscard]] std::uint64_t hand_on_shared(std::uint64_t reader) noexcept {
        readers_sum_ += (reader | detail::handed_on) - reader;
        return reader | detail::handed_on;
    }
    void unlock() noexcept {
        writer_ = 0;
        if (!waiters_.empty()) admit();
    }
    void unlock_shared(std::uint64_t reader) noexcept {
        readers_sum_ -= reader;
        if (--readers_ == 0 && !waiters_.empty()) admit();
    }
    template <class Guard>
    [[nodiscard]] Guard held() noexcept {
        return Guard(*this);
    }
    void tell_owners(wait_owners& out, const place& waiting) noexcept;
    void admit() noexcept;
    void describe(wait_description& out, bool exclusive) const;
    [[noreturn, gnu::cold]] void refuse_destruction() const noexcept;

    detail::identity identity_;
    detail::wait_queue waiters_;
    std::uint64_t writer_ = 0;       // a note of detail/held; no readers then
    std::size_t readers_ = 0;        // no writer then
    std::uint64_t readers_sum_ = 0;  // of such notes: names the last one
    std::source_location locked_at_;
    std::uint64_t exclusive_ = 0;
    std::uint64_t shared_ = 0;
    std::uint64_t contended_ = 0;
};

/// Holds an rw_lock alone, and unlocks it when destroyed. Moves; a moved-from guard holds nothing.
/// Deadlocks around a guard that was moved are found later: see mutex_guard.
class [[nodiscard]] exclusive_guard : public detail::held<exclusive_guard, rw_lock> {
public:
    static constexpr bool exclusive = true;

    exclusive_guard() noexcept = default;

    /// Unlocks now. A guard that holds no lock aborts, and says at which line.
    void unlock(std::source_location where = std::source_location::current()) noexcept {
        give_back_now("an exclusive_guard was unlocked that holds no rw_lock", where);
    }

private:
    friend class rw_lock;
    friend class detail::held<exclusive_guard, rw_lock>;
    using held::held;
    static void give_back(rw_lock& lock) noexcept { lock.unlock(); }
    static void hand_on(rw_lock& lock) noexcept { lock.hand_on(); }
};

/// Holds an rw_lock together with other readers, until destroyed. Moves; a moved-from guard holds
/// nothing.
class [[nodiscard]] shared_guard {
public:
    static constexpr bool exclusive = false;

    shared_guard() noexcept = default;
    shared_guard(shared_guard&& other) noexcept
        : lock_(std::exchange(other.lock_, nullptr)), reader_(other.reader_) {
        if (lock_ != nullptr) reader_ = lock_->hand_on_shared(reader_);
    }
    shared_guard& operator=(shared_guard&& other) noexcept {
        shared_guard taken(std::move(other));
        std::swap(lock_, taken.lock_);
        std::swap(reader_, taken.reader_);
        return *this;
    }
    ~shared_guard() {
        if (lock_ != nullptr) lock_->unlock_shared(reader_);
    }
    [[nodiscard]] explicit operator bool() const noexcept { return lock_ != nullptr; }

    /// Unlocks now. A guard that holds no lock aborts, and says at which line.
    void unlock(std::source_location where = std::source_location::current()) noexcept {
        if (lock_ == nullptr) [[unlikely]]
            detail::refuse_give_back("a shared_guard was unlocked that holds no rw_lock", where);
        std::exchange(lock_, nullptr)->unlock_shared(reader_);
    }

private:
    friend class rw_lock;
    explicit shared_guard(rw_lock& lock) noexcept
        : lock_(&lock), reader_(rf::detail::slot.current->id) {}

    rw_lock* lock_ = nullptr;
    std::uint64_t reader_ = 0;  // what it is in the sum
};

// Implementation

template <class Guard>
class [[nodiscard]] rw_lock::lock_awaiter final
    : public detail::tried_wait<lock_awaiter<Guard>, place> {
public:
    lock_awaiter(rw_lock& wanted, std::source_location where) noexcept
        : detail::tried_wait<lock_awaiter<Guard>, place>(Guard::exclusive, where), lock_(&wanted) {}

    [[nodiscard]] bool try_now() const noexcept {
        return lock_->take(Guard::exclusive, this->where());
    }
    void start() noexcept { lock_->waiters_.add(*this, lock_->identity_); }
    [[nodiscard]] Guard await_resume() const noexcept { return lock_->template held<Guard>(); }

    /// Those behind may have waited only for this one to be served.
    void on_removed() noexcept override { lock_->admit(); }
    void describe(wait_description& out) const override { lock_->describe(out, Guard::exclusive); }
    void owners(wait_owners& out) const override { lock_->tell_owners(out, *this); }

private:
    rw_lock* lock_;
};

inline rw_lock::lock_awaiter<exclusive_guard> rw_lock::lock(std::source_location where) noexcept {
    return lock_awaiter<exclusive_guard>(*this, where);
}
inline rw_lock::lock_awaiter<shared_guard> rw_lock::lock_shared(
    std::source_location where) noexcept {
    return lock_awaiter<shared_guard>(*this, where);
}
inline exclusive_guard rw_lock::try_lock(std::source_location where) noexcept {
    return take(true, where) ? exclusive_guard(*this) : exclusive_guard();
}
inline shared_guard rw_lock::try_lock_shared(std::source_location where) noexcept {
    return take(false, where) ? shared_guard(*this) : shared_guard();
}

}  // namespace rf::sync
