// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/sync/detail/guarded.hpp>
#include <ringfence/sync/detail/held.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstdint>
#include <functional>
#include <source_location>
#include <utility>

namespace rf::sync {

struct bulkhead_options {
    std::int64_t concurrent = 1;  // calls at a time
    std::int64_t queue = 0;       // calls that may wait
};

struct bulkhead_statistics {
    std::int64_t running = 0;
    std::int64_t waiting = 0;
    std::uint64_t admitted = 0;
    std::uint64_t refused = 0;
};

/// A bulkhead has as many calls as it takes, running and waiting. As an io_error it has the code
/// EBUSY; about() names the bulkhead.
class bulkhead_full : public io_error {
public:
    explicit bulkhead_full(std::string which);
};

/// Lets so many calls run at a time and so many wait, and refuses the rest at once: one slow
/// service does not take all tasks of a program with it.
///
///     rf::sync::bulkhead database({.concurrent = 20, .queue = 100});
///     auto rows = co_await database.guard(query)("select 1");   // throws bulkhead_full beyond
///
/// Order: first come, first served. A refused call gives EBUSY as a value with as_result(), or if
/// the guarded callable returns rf::result.
/// Cancellation: enter() is a cancel point; a cancelled wait leaves nothing behind, and a cancelled
///   call gives its place to the next. Can be a case of select.
/// Errors: concurrent below 1 and queue below 0 throw std::invalid_argument.
/// Lifetime: outlives its calls, or aborts. Threads: one loop. Cost: never allocates.
class bulkhead {
public:
    class [[nodiscard]] place;
    class [[nodiscard]] enter_awaiter;

    explicit bulkhead(bulkhead_options options,
                      std::source_location made = std::source_location::current());
    bulkhead(const bulkhead&) = delete;
    bulkhead& operator=(const bulkhead&) = delete;
    ~bulkhead();

    /// Waits for a place, which is held until the object that this gives is destroyed.
    [[nodiscard]] enter_awaiter enter() noexcept;
    /// An empty place if none is free, or others wait.
    [[nodiscard]] place try_enter() noexcept;

    template <class F>
    [[nodiscard]] auto guard(F fn) {
        return detail::guarded<bulkhead, F>(*this, std::move(fn));
    }

    [[nodiscard]] bulkhead_statistics statistics() const noexcept {
        return {running_, static_cast<std::int64_t>(waiters_.count()), admitted_, refused_};
    }

private:
    template <class Owner, class F>
    friend class detail::guarded;

    [[nodiscard]] bool take() noexcept;
    void leave() noexcept;
    [[nodiscard]] bool refuses() noexcept;
    void describe(wait_description& out) const;
    [[noreturn]] void refuse() const;
    [[nodiscard]] static rf::error full_error() noexcept;

    template <class T, class Held, class... Args>
    static task<T> guarded_call(bulkhead* owner, Held fn, Args... args);

    detail::identity identity_;
    bulkhead_options options_;
    detail::wait_queue waiters_;  // empty unless all places are taken
    std::int64_t running_ = 0;
    std::int64_t waiting_ = 0;
    std::uint64_t admitted_ = 0;
    std::uint64_t refused_ = 0;
};

/// Right to run, given back when destroyed.
class [[nodiscard]] bulkhead::place : public detail::held<place, bulkhead> {
public:
    place() noexcept = default;

private:
    friend class bulkhead;
    friend class detail::held<place, bulkhead>;
    using held::held;
    static void give_back(bulkhead& owner) noexcept { owner.leave(); }
    static void hand_on(bulkhead&) noexcept {}  // nobody asks who has a place
};

// Implementation

class [[nodiscard]] bulkhead::enter_awaiter final : public detail::tried_wait<enter_awaiter> {
public:
    explicit enter_awaiter(bulkhead& owner) noexcept : owner_(&owner) {}

    [[nodiscard]] bool try_now() noexcept {
        if (owner_->take()) return true;
        refused_ = owner_->refuses();
        return refused_;
    }
    void start() noexcept {
        owner_->waiters_.add(*this, owner_->identity_);
        ++owner_->waiting_;
    }
    [[nodiscard]] place await_resume() const {
        if (refused_) [[unlikely]]
            owner_->refuse();
        return place(*owner_);
    }
    [[nodiscard]] result<place> await_result() const;
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        --owner_->waiting_;
        return detail::queued_wait::cancel();
    }
    void describe(wait_description& out) const override { owner_->describe(out); }

private:
    bulkhead* owner_;
    bool refused_ = false;
};

inline bulkhead::enter_awaiter bulkhead::enter() noexcept { return enter_awaiter(*this); }

template <class T, class Held, class... Args>
task<T> bulkhead::guarded_call(bulkhead* owner, Held fn, Args... args) {
    place held;
    if constexpr (detail::is_result<T>) {
        auto entered = co_await as_result(owner->enter());
        if (!entered) co_return T(entered.error());
        held = std::move(*entered);
    } else {
        held = co_await owner->enter();
    }
    co_return co_await std::invoke(fn, std::move(args)...);
}

}  // namespace rf::sync
