// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/sync/detail/broadcast_core.hpp>

#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>

namespace rf::sync {

template <class T>
class broadcast_receiver;

/// Carries each item to every receiver: news, for as many tasks as want to hear.
///
///     rf::sync::broadcast<price> prices(64, rf::sync::receiver_skips);
///     auto mine = prices.subscribe();
///     while (auto got = co_await mine.receive()) {          // until it is closed and all taken
///         if (got->missed != 0) note_gap(got->missed);
///         show(got->value);
///     }
///     co_await prices.send(now);                             // in another task
///
/// A receiver hears what is sent from its subscribe() on. For one receiver each item goes to, there
/// is channel; for the latest value alone, watch.
///
/// Lag: `capacity` items are kept for those who have not taken them. When it is full, `lag` says
///   who pays: with sender_waits the senders, who wait for the slowest receiver; with
///   receiver_skips that receiver, which misses the oldest items and is told how many, while
///   send() never waits. What nobody subscribes to is never kept and never waited for.
/// Order: every receiver hears all items in the order they were sent. Waiting senders are served
///   oldest first.
/// Closing: close() lets what is kept be received; then receive() gives nothing. A send() fails
///   with channel_closed (EPIPE as a value, with as_result), also for those who waited; the value
///   of a send that failed stays with the caller.
/// Cancellation: send() and receive() are cancel points, even if they need not wait; cancelled, no
///   item has moved. A receiver that was woken and is cancelled before it runs receives. Both can
///   be cases of select.
/// Errors: a capacity of 0 or below throws std::invalid_argument. A receiver used by two waits at a
///   time aborts.
/// Lifetime: outlives its receivers and those who wait to send, or aborts. Threads: one loop.
/// Requires: T copies, and moves without throwing. A copy that throws fails its receive() alone,
///   which has taken nothing.
/// Cost: one allocation when made; a copy for each receiver but the last; waking is linear in
///   those who wait, all else constant.
template <class T>
class broadcast {
public:
    using value_type = T;

    broadcast(std::size_t capacity, lag_policy lag,
              std::source_location made = std::source_location::current())
        : core_(capacity, lag, made) {}

    /// Refers to `value`, and moves from it only when it has been taken.
    [[nodiscard]] detail::send_awaiter<T, detail::broadcast_core<T>> send(T&& value) noexcept {
        return {core_, value};
    }
    [[nodiscard]] detail::send_copy_awaiter<T, detail::broadcast_core<T>> send(const T& value) {
        return {core_, value};
    }
    /// Whether `value` was taken, without waiting. If not, it is untouched.
    [[nodiscard]] bool try_send(T&& value) noexcept { return core_.push(value); }

    /// A receiver of all that is sent from now on.
    [[nodiscard]] broadcast_receiver<T> subscribe() noexcept {
        return broadcast_receiver<T>(core_);
    }

    /// Lets nothing more in. Closing twice does nothing; the answer is whether this call closed it.
    bool close() noexcept { return core_.close(); }

    [[nodiscard]] bool is_closed() const noexcept { return core_.closed(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }
    [[nodiscard]] broadcast_statistics statistics() const noexcept { return core_.statistics(); }

private:
    detail::broadcast_core<T> core_;
};

/// One listener of a broadcast, for one task at a time; see there. Moves while nothing waits on it;
/// one that was moved from aborts when used.
template <class T>
class [[nodiscard]] broadcast_receiver {
public:
    using value_type = broadcast_item<T>;

    broadcast_receiver(broadcast_receiver&& other) noexcept
        : core_(std::exchange(other.core_, nullptr)), place_(other.place_) {
        RF_ASSERT(place_.by == nullptr, "a broadcast_receiver was moved while a task waits on it");
    }
    broadcast_receiver& operator=(broadcast_receiver&& other) noexcept {
        broadcast_receiver old(std::move(*this));
        core_ = std::exchange(other.core_, nullptr);
        place_ = other.place_;
        return *this;
    }
    ~broadcast_receiver() {
        if (core_ != nullptr) core_->unsubscribe(place_);
    }

    /// The next item, and how many were missed before it; nothing once it is closed and all taken.
    [[nodiscard]] detail::broadcast_receive_awaiter<T> receive() noexcept {
        return {core(), place_};
    }
    [[nodiscard]] std::optional<broadcast_item<T>> try_receive() {
        core().check_free(place_);
        return core().take(place_);
    }
    /// Items that were sent and that this receiver has not had; some may be missed by then.
    [[nodiscard]] std::size_t lag() const noexcept { return core().lag(place_); }

private:
    friend class broadcast<T>;
    explicit broadcast_receiver(detail::broadcast_core<T>& from) noexcept
        : core_(&from), place_(from.subscribe()) {}

    [[nodiscard]] detail::broadcast_core<T>& core() const noexcept {
        RF_ASSERT(core_ != nullptr, "a broadcast_receiver was used that was moved from");
        return *core_;
    }
    detail::broadcast_core<T>* core_;
    detail::broadcast_place place_;
};

}  // namespace rf::sync
