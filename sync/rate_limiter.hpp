// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/object_timer.hpp>
#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/sync/detail/guarded.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <source_location>
#include <utility>

namespace rf::sync {

template <class Key, class Hash, class Equal>
class keyed_rate_limiter;

/// `tokens` of them come every `per`, evenly; up to `burst` are kept for later.
struct rate {
    std::int64_t tokens = 1;
    std::chrono::nanoseconds per = std::chrono::seconds(1);
    std::int64_t burst = 1;
};

struct rate_limiter_statistics {
    std::size_t waiting = 0;
    std::int64_t available = 0;  // tokens that can be had now; negative while some are owed
    std::uint64_t granted = 0;   // acquisitions and reservations
    std::uint64_t delayed = 0;   // of these, not at once
    std::uint64_t refused = 0;   // for want of a token now, or before the deadline
};

/// A token would come only after the deadline of the scope. As an io_error it has the code
/// ETIMEDOUT; about() names the limiter.
class rate_limited : public io_error {
public:
    rate_limited(rf::error why, std::string which, clock::time_point when);
    /// When the token would have come.
    [[nodiscard]] clock::time_point when() const noexcept { return when_; }

private:
    clock::time_point when_;
};

/// Lets so many through in a time: a token bucket.
///
///     rf::sync::rate_limiter limit({.tokens = 100, .per = 1s, .burst = 20});
///     co_await limit.acquire();                      // at most 100 a second, 20 at once
///     auto answer = co_await limit.guard(ask)(question);
///
/// The bucket is full at first and fills with time, on the loop's clock.
/// Order: first come, first served; one who asks for many is not passed by those who ask for few.
/// Deadlines: an acquire() whose tokens would come no sooner than the deadline of the scope fails
///   at once with rate_limited, or ETIMEDOUT as a value with as_result(), and takes nothing.
/// Cancellation: acquire() is a cancel point, even if there are tokens. A cancelled wait takes
///   nothing, and those behind come sooner. Can be a case of select.
/// Errors: rates, bursts and spans below 1, tokens below 1 or more than the burst, and a burst that
///   is too large to be counted throw std::invalid_argument.
/// Lifetime: outlives its waiters, or aborts; a guarded call waits until it has its token. Threads:
///   one loop.
/// Cost: never allocates; one timer while tasks wait, whatever their number.
class rate_limiter {
public:
    class [[nodiscard]] acquire_awaiter;
    class [[nodiscard]] reservation;

    explicit rate_limiter(rate limit, std::source_location made = std::source_location::current());
    rate_limiter(const rate_limiter&) = delete;
    rate_limiter& operator=(const rate_limiter&) = delete;
    ~rate_limiter();

    /// Waits for `count` tokens and takes them.
    [[nodiscard]] acquire_awaiter acquire(std::int64_t count = 1);
    /// Takes them if they are there now and nobody waits.
    [[nodiscard]] bool try_acquire(std::int64_t count = 1);
    /// Takes them now, of what is to come if need be, behind those who wait. Says when they will
    /// be there; the caller waits, or gives them back.
    [[nodiscard]] reservation reserve(std::int64_t count = 1);

    /// A callable that takes a token, waiting for it, and then calls `fn`.
    template <class F>
    [[nodiscard]] auto guard(F fn) {
        return detail::guarded<rate_limiter, F>(*this, std::move(fn));
    }

    /// Whether it could be replaced by a new one, and nobody could tell.
    [[nodiscard]] bool is_full() const noexcept;
    /// Whether an operation on it is under way; it must stay then.
    [[nodiscard]] bool in_use() const noexcept { return users_ != 0; }
    [[nodiscard]] rate_limiter_statistics statistics() const noexcept;

private:
    template <class Owner, class F>
    friend class detail::guarded;
    template <class Key, class Hash, class Equal>
    friend class keyed_rate_limiter;

    // Amounts are counted in parts of a token: `rate.per` in nanoseconds of them make one, and
    // each nanosecond brings `rate.tokens`. So nothing is lost to rounding.
    using parts = std::int64_t;

    /// For messages it is what `which` says: the one of a key is part of a keyed_rate_limiter.
    rate_limiter(rate limit, const detail::identity& which);
    [[nodiscard]] parts size_of(std::int64_t count) const noexcept {
        return count * limit_.per.count();
    }
    void require(std::int64_t count) const;
    void refill() noexcept;
    [[nodiscard]] parts level_at(instant now) const noexcept;
    [[nodiscard]] instant time_of(parts wanted) const noexcept;
    [[nodiscard]] bool take_now(parts wanted) noexcept;
    /// Whether the tokens come too late for the calling task, which is then counted and told.
    [[nodiscard]] bool too_late(parts wanted, instant& when) noexcept;
    void give_back(parts amount, parts promised) noexcept;
    void admit() noexcept;
    void describe(wait_description& out, std::int64_t count) const;
    [[noreturn]] void refuse(instant when) const;
    [[nodiscard]] static rf::error late_error() noexcept;

    template <class T, class Held, class... Args>
    static task<T> guarded_call(rate_limiter* owner, Held fn, Args... args);

    struct admit_timer : rf::detail::object_timer {
        admit_timer() noexcept : object_timer("next permit of a rate_limiter") {}
        rate_limiter* owner = nullptr;
    };

    detail::identity identity_;
    rate limit_;
    detail::wait_queue waiters_;
    parts level_;           // as of updated_; <= full; negative: promised to reservations
    parts waited_for_ = 0;  // by all in line
    parts promised_ = 0;    // to reservations made while somebody waited, ever
    instant updated_ = 0;
    admit_timer timer_;        // armed while somebody waits, for the oldest
    std::uint64_t users_ = 0;  // operations that refer to this
    std::uint64_t granted_ = 0;
    std::uint64_t delayed_ = 0;
    std::uint64_t refused_ = 0;
};

/// Tokens taken in advance. Dropping it keeps them taken.
class [[nodiscard]] rate_limiter::reservation {
public:
    /// From when on the tokens may be used; not in the future if they were there at once.
    [[nodiscard]] clock::time_point when() const noexcept { return when_; }
    /// Gives the tokens back, unused. Once; the limiter must still be there.
    void give_back() noexcept {
        if (from_ != nullptr) std::exchange(from_, nullptr)->give_back(amount_, promised_);
    }

private:
    friend class rate_limiter;
    reservation(rate_limiter& from, parts amount, parts promised, instant when) noexcept
        : from_(&from), amount_(amount), promised_(promised), when_(clock::duration(when)) {}

    rate_limiter* from_;
    parts amount_;
    parts promised_;
    clock::time_point when_;
};

// Implementation

class [[nodiscard]] rate_limiter::acquire_awaiter final
    : public detail::tried_wait<acquire_awaiter> {
public:
    acquire_awaiter(rate_limiter& from, std::int64_t count) noexcept : from_(&from), count_(count) {
        ++from.users_;
    }
    acquire_awaiter(acquire_awaiter&& other) noexcept
        : detail::tried_wait<acquire_awaiter>(std::move(other)), from_(other.from_),
          count_(other.count_) {
        ++from_->users_;
    }
    ~acquire_awaiter() { --from_->users_; }

    [[nodiscard]] bool try_now() noexcept {
        if (from_->take_now(wanted())) return true;
        late_ = from_->too_late(wanted(), when_);
        return late_;
    }
    void start() noexcept {
        from_->waiters_.add(*this, from_->identity_);
        from_->waited_for_ += wanted();
        seen_ = from_->promised_;
        from_->admit();
    }
    void await_resume() const {
        if (late_) [[unlikely]]
            from_->refuse(when_);
    }
    [[nodiscard]] result<void> await_result() const noexcept {
        if (late_) return late_error();
        return {};
    }

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        from_->waited_for_ -= wanted();
        return detail::queued_wait::cancel();
    }
    void on_removed() noexcept override { from_->admit(); }
    void describe(wait_description& out) const override { from_->describe(out, count_); }

private:
    friend class rate_limiter;
    [[nodiscard]] parts wanted() const noexcept { return from_->size_of(count_); }

    rate_limiter* from_;
    std::int64_t count_;
    parts seen_ = 0;  // what had been promised when this got in line: all else is for those behind
    instant when_ = 0;
    bool late_ = false;
};

template <class T, class Held, class... Args>
task<T> rate_limiter::guarded_call(rate_limiter* owner, Held fn, Args... args) {
    if constexpr (detail::is_result<T>) {
        auto admitted = co_await as_result(owner->acquire());
        if (!admitted) co_return T(admitted.error());
    } else {
        co_await owner->acquire();
    }
    co_return co_await std::invoke(fn, std::move(args)...);
}

}  // namespace rf::sync
