// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/sync/detail/guarded.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <unordered_map>
#include <utility>

namespace rf::sync {

struct single_flight_statistics {
    std::size_t flights = 0;     // executions under way
    std::size_t waiting = 0;     // calls that wait for one
    std::uint64_t executed = 0;  // calls that ran their function
    std::uint64_t shared = 0;    // calls that took over another's outcome
    std::uint64_t taken_over =
        0;  // calls that waited, and ran because the one before was cancelled
};

/// Lets concurrent calls with one key share one execution.
///
///     rf::sync::single_flight<std::string, page> flights;
///     auto got = co_await flights.run(url, fetch);      // however many ask, fetched once
///
/// The first call runs its function in its own task; those that come before it ends wait, and get a
/// copy of its value, or its exception. Nothing is remembered afterwards: see ttl_cache for that.
/// Cancellation: a call that waits is cancelled alone. If the one that runs is cancelled, the
///   oldest that waits runs its own function instead; no call fails because another was cancelled.
/// Lifetime: outlives its calls, or aborts. The function must not call run() with the same key: it
///   would wait for itself. Threads: one loop. Cost: an allocation or two a flight.
/// Requires: Value is copyable, Key hashable.
template <class Key, class Value, class Hash = std::hash<Key>, class Equal = std::equal_to<Key>>
class single_flight {
public:
    class flight;

    explicit single_flight(std::source_location made = std::source_location::current())
        : single_flight(detail::identity{"single_flight", made}) {}
    /// As a part of something else, which messages name.
    explicit single_flight(detail::identity part_of) : identity_(part_of) {}
    single_flight(const single_flight&) = delete;
    single_flight& operator=(const single_flight&) = delete;
    ~single_flight() {
        if (under_way_ + waiting_ != 0)
            detail::misused(identity_, "it was destroyed while calls run; it has to outlive the "
                                       "nursery in which they do");
    }

    /// `fn` is called with nothing, or with the flight, which can tell whether it was forgotten.
    template <class F>
        requires(rf::detail::async_callable<F&> ||
                 rf::detail::async_callable<F&, const typename single_flight::flight>)
    [[nodiscard]] task<Value> run(Key key, F fn);

    /// Calls that come from now on do not share what is under way for `key`, or for any key: they
    /// begin anew. Those that share it already still do.
    void forget(const Key& key) noexcept;
    void forget_all() noexcept;

    [[nodiscard]] single_flight_statistics statistics() const noexcept {
        return {under_way_, waiting_, executed_, shared_, taken_over_};
    }

private:
    class wait_awaiter;
    class leadership;

    detail::identity identity_;
    std::unordered_map<Key, std::shared_ptr<flight>, Hash, Equal> flights_;  // not the forgotten
    std::size_t under_way_ = 0;
    std::size_t waiting_ = 0;  // until they run: also those whose flight has ended
    std::uint64_t executed_ = 0;
    std::uint64_t shared_ = 0;
    std::uint64_t taken_over_ = 0;
};

/// One execution, and the calls that share it.
template <class Key, class Value, class Hash, class Equal>
class single_flight<Key, Value, Hash, Equal>::flight {
public:
    flight() = default;
    /// Whether forget() was called since it began.
    [[nodiscard]] bool forgotten() const noexcept { return forgotten_; }

private:
    friend class single_flight;
    detail::wait_queue waiters_;
    rf::detail::outcome<Value> end_;  // cancelled until there is one
    std::uint64_t leader_ = 0;
    bool ended_ = false;
    bool forgotten_ = false;
};

// Implementation

template <class Key, class Value, class Hash, class Equal>
class [[nodiscard]] single_flight<Key, Value, Hash, Equal>::wait_awaiter final
    : public detail::tried_wait<wait_awaiter> {
public:
    wait_awaiter(single_flight& home, flight& on) noexcept : home_(home), on_(on) {
        ++home_.waiting_;
    }
    wait_awaiter(const wait_awaiter&) = delete;
    ~wait_awaiter() { --home_.waiting_; }
    [[nodiscard]] bool try_now() const noexcept { return false; }
    void start() noexcept { on_.waiters_.add(*this, home_.identity_); }
    void await_resume() const noexcept {}
    void describe(wait_description& out) const override {
        home_.identity_.describe(out, "flight", "finish a call with the same key");
        out.object = &on_;
        out.owner_task = on_.leader_;
    }
    void owners(wait_owners& out) const override { out.task(on_.leader_); }

private:
    single_flight& home_;
    flight& on_;
};

/// The duty of the call that runs. Left without an end, the oldest who waits takes it over.
template <class Key, class Value, class Hash, class Equal>
class single_flight<Key, Value, Hash, Equal>::leadership {
public:
    leadership(single_flight& home, const Key& key, flight& on) noexcept
        : home_(home), key_(key), on_(on) {
        on.leader_ = this_task::id();
    }
    leadership(const leadership&) = delete;
    leadership& operator=(const leadership&) = delete;
    ~leadership() {
        if (!on_.ended_ && !on_.waiters_.empty()) {
            on_.waiters_.pop(home_.identity_).grant();
            return;
        }
        --home_.under_way_;
        if (!on_.forgotten_) home_.flights_.erase(key_);
        while (!on_.waiters_.empty())
            on_.waiters_.pop(home_.identity_).grant();
    }

private:
    single_flight& home_;
    const Key& key_;
    flight& on_;
};

template <class Key, class Value, class Hash, class Equal>
template <class F>
    requires(rf::detail::async_callable<F&> ||
             rf::detail::async_callable<
                 F&, const typename single_flight<Key, Value, Hash, Equal>::flight>)
task<Value> single_flight<Key, Value, Hash, Equal>::run(Key key, F fn) {
    co_await this_task::checkpoint();
    std::shared_ptr<flight>& place = flights_[key];
    const bool first = place == nullptr;
    if (first) {
        place = std::make_shared<flight>();
        ++under_way_;
    }
    const std::shared_ptr<flight> on = place;
    if (!first) {
        co_await wait_awaiter(*this, *on);
        if (on->ended_) {
            ++shared_;
#if RF_EXCEPTIONS
            if (on->end_.failed()) std::rethrow_exception(on->end_.error());
#endif
            co_return on->end_.peek();
        }
        ++taken_over_;
    }
    leadership duty(*this, key, *on);
    ++executed_;
    rf::detail::outcome<Value> end;
    RF_TRY {
        if constexpr (rf::detail::async_callable<F&, const flight>)
            end = co_await rf::detail::body_awaiter<Value>(
                detail::call_task(fn, static_cast<const flight&>(*on)));
        else
            end = co_await rf::detail::body_awaiter<Value>(detail::call_task(fn));
    }
    RF_CATCH(...) { end = rf::detail::outcome<Value>::failure(std::current_exception()); }
    if (end.cancelled()) co_await this_task::checkpoint();
    on->end_ = std::move(end);
    on->ended_ = true;
#if RF_EXCEPTIONS
    if (on->end_.failed()) std::rethrow_exception(on->end_.error());
#endif
    co_return on->end_.peek();
}

template <class Key, class Value, class Hash, class Equal>
void single_flight<Key, Value, Hash, Equal>::forget(const Key& key) noexcept {
    const auto found = flights_.find(key);
    if (found == flights_.end()) return;
    found->second->forgotten_ = true;
    flights_.erase(found);
}

template <class Key, class Value, class Hash, class Equal>
void single_flight<Key, Value, Hash, Equal>::forget_all() noexcept {
    for (const auto& each : flights_)
        each.second->forgotten_ = true;
    flights_.clear();
}

}  // namespace rf::sync
