// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/late_wait.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

namespace rf::sync {

class permit;

struct semaphore_statistics {
    std::size_t waiting = 0;
    std::size_t available = 0;    // permits that can be had now
    std::size_t total = 0;        // permits there are
    std::uint64_t acquired = 0;   // how often some were acquired
    std::uint64_t contended = 0;  // of these, after waiting
};

/// A number of permits that tasks take and give back: how many may do something at a time.
///
///     rf::sync::semaphore connections(50);
///     auto one = co_await connections.acquire();
///     co_await fetch(url);                       // at most 50 of these
///
/// Order: first come, first served. Whoever asks for many is not passed by those who ask for few.
/// Cancellation: acquire() is a cancel point, even if there are permits. A cancelled wait leaves
///   nothing behind; permits that were granted to a task that is cancelled before it runs are
///   given back when its permit object is destroyed. Can be a case of select.
/// Errors: asking for more than there are throws std::invalid_argument, as the wait would never
///   end. Asking for none, and a semaphore of none, are refused in the same way. Adding a negative
///   number aborts.
/// Lifetime: outlives its waiters and its permits, or aborts. Threads: one loop.
/// Cost: never allocates; acquire() with permits at hand does not suspend.
class alignas(16) semaphore {
public:
    class acquire_wait;
    class [[nodiscard]] acquire_awaiter;

    explicit semaphore(std::size_t permits,
                       std::source_location made = std::source_location::current());
    ~semaphore();

    /// Waits for `count` permits.
    [[nodiscard]] acquire_awaiter acquire(std::size_t count = 1);
    /// The same without waiting: an empty permit if they cannot be had now, or others wait.
    [[nodiscard]] permit try_acquire(std::size_t count = 1);

    /// Makes more permits.
    void add(std::size_t count) noexcept {
        if (count > detail::most_counts - total_)
            detail::misused(identity_, "a negative number of permits was added");
        total_ += count;
        give_back(count);
    }

    [[nodiscard]] std::size_t available() const noexcept { return available_; }
    [[nodiscard]] semaphore_statistics statistics() const noexcept {
        return {waiters_.count(), available_, total_, acquired_, contended_};
    }

private:
    friend class permit;

    [[nodiscard]] bool take(std::size_t count) noexcept {
        if (count > available_ || !waiters_.empty()) return false;
        available_ -= count;
        ++acquired_;
        return true;
    }
    void give_back(std::size_t count) noexcept {
        available_ += count;
        if (!waiters_.empty()) admit();
    }
    void admit() noexcept;
    void require(std::size_t count) const {
        if (count == 0 || count > total_) [[unlikely]]
            refuse(count);
    }
    [[noreturn, gnu::cold]] void refuse(std::size_t count) const;
    void describe(wait_description& out, std::size_t wanted) const;

    detail::identity identity_;
    detail::wait_queue waiters_;
    std::size_t available_;
    std::size_t total_;
    std::uint64_t acquired_ = 0;
    std::uint64_t contended_ = 0;
};

/// Holds permits of a semaphore, and gives them back when destroyed. Moves; a moved-from permit
/// holds none.
class [[nodiscard]] permit {
public:
    permit() noexcept = default;
    permit(permit&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), count_(std::exchange(other.count_, 0)) {}
    permit& operator=(permit&& other) noexcept {
        permit old(std::move(*this));
        from_ = std::exchange(other.from_, nullptr);
        count_ = std::exchange(other.count_, 0);
        return *this;
    }
    ~permit() {
        if (count_ != 0) from_->give_back(count_);
    }

    /// Gives `count` back now. More than it holds aborts, and says at which line.
    void release(std::size_t count,
                 std::source_location where = std::source_location::current()) noexcept {
        if (count > count_) [[unlikely]]
            refuse(count, where);
        if (count == 0) return;
        count_ -= count;
        from_->give_back(count);
    }
    /// Gives all back that it holds.
    void release() noexcept { release(count_); }

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    [[nodiscard]] explicit operator bool() const noexcept { return count_ != 0; }

private:
    friend class semaphore;
    permit(semaphore& from, std::size_t count) noexcept : from_(&from), count_(count) {}
    [[noreturn, gnu::cold]] void refuse(std::size_t count,
                                        std::source_location where) const noexcept;

    semaphore* from_ = nullptr;
    std::size_t count_ = 0;
};

// Implementation

class semaphore::acquire_wait final : public detail::queued_wait {
public:
    acquire_wait(semaphore& from, std::size_t count) noexcept : from_(&from), count_(count) {}

    /// Those behind may have waited only for this one to get its many.
    void on_removed() noexcept override { from_->admit(); }
    void describe(wait_description& out) const override { from_->describe(out, count_); }
    [[nodiscard]] std::size_t count() const noexcept { return count_; }

private:
    template <class, class, class, class>
    friend class detail::late_wait;

    semaphore* from_;
    std::size_t count_;
};

class [[nodiscard]] semaphore::acquire_awaiter final
    : public detail::late_wait<acquire_awaiter, semaphore, std::size_t, acquire_wait> {
public:
    using late_wait::late_wait;

    [[nodiscard]] bool try_now() const noexcept { return of().take(wanted()); }
    void start_wait(acquire_wait& wait) const noexcept { of().waiters_.add(wait, of().identity_); }
    [[nodiscard]] permit await_resume() const noexcept { return permit(of(), wanted()); }
};

inline semaphore::acquire_awaiter semaphore::acquire(std::size_t count) {
    require(count);
    return acquire_awaiter(*this, count);
}
inline permit semaphore::try_acquire(std::size_t count) {
    require(count);
    return take(count) ? permit(*this, count) : permit();
}

}  // namespace rf::sync
