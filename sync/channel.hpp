// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/sync/detail/channel_core.hpp>
#include <ringfence/sync/detail/channel_waits.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

namespace rf::sync {

/// What channels of one loop have in common: all but how items go in.
template <class T>
class channel_base {
public:
    using value_type = T;

    /// The next item; nothing once the channel is closed and empty.
    [[nodiscard]] detail::receive_awaiter<T> receive() noexcept {
        return detail::receive_awaiter<T>(core_);
    }
    [[nodiscard]] std::optional<T> try_receive() noexcept {
        std::optional<T> got;
        (void)core_.pop(got);
        return got;
    }
    /// Waits for one item, then takes what else is there, to `max` in all: appended to `to`. Gives
    /// how many; 0 once the channel is closed and empty.
    [[nodiscard]] detail::receive_many_awaiter<T> receive_many(std::vector<T>& to,
                                                               std::size_t max) {
        return detail::receive_many_awaiter<T>(core_, to, max);
    }

    /// Lets nothing more in. Closing twice does nothing; the answer is whether this call closed it.
    bool close() noexcept { return core_.close(); }

    [[nodiscard]] bool is_closed() const noexcept { return core_.closed(); }
    [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }
    [[nodiscard]] channel_statistics statistics() const noexcept { return core_.statistics(); }

protected:
    channel_base(const char* kind, std::source_location made, detail::item_ring<T> items) noexcept
        : core_(kind, made, std::move(items)) {}
    ~channel_base() = default;

    detail::channel_core<T> core_;
};

/// Carries items from tasks to tasks, in order: a queue with a bound, or, of capacity 0, a
/// hand-over where each send() waits for its receive().
///
///     rf::sync::channel<job> jobs(64);
///     co_await jobs.send(std::move(next));                  // waits while it is full
///     while (auto job = co_await jobs.receive())            // until it is closed and empty
///         co_await work(*job);
///
/// Order: items come out as they went in; waiting senders and receivers are served oldest first.
/// Closing: close() lets what is inside be received; then receive() gives nothing, for ever. send()
///   on a closed channel fails with channel_closed (EPIPE as a value, with as_result), also for
///   those who waited; the value of a send that failed stays with the caller.
/// Cancellation: send() and receive() are cancel points, even if they need not wait. Cancelled, no
///   item has moved. An item handed to a receiver that is cancelled before it runs is received.
///   Both can be cases of select.
/// Lifetime: outlives those who wait on it, or aborts. What is inside when it is destroyed is
///   destroyed. For ends that keep their channel alive and close it, see open_channel(). Between
///   threads, shared_channel. Threads: one loop.
/// Requires: T moves without throwing. Cost: one allocation when made.
template <class T>
class channel : public channel_base<T> {
public:
    /// How many items fit inside. A capacity that no memory can hold throws std::invalid_argument,
    /// as does a negative number.
    explicit channel(std::size_t capacity,
                     std::source_location made = std::source_location::current())
        : channel_base<T>(
              "channel", made,
              detail::item_ring<T>::bounded(detail::checked_capacity(capacity, "channel", made))) {}

    /// Refers to `value`, and moves from it only when it has been taken.
    [[nodiscard]] detail::send_awaiter<T> send(T&& value) noexcept {
        return detail::send_awaiter<T>(this->core_, value);
    }
    [[nodiscard]] detail::send_copy_awaiter<T> send(const T& value)
        requires std::copy_constructible<T>
    {
        return detail::send_copy_awaiter<T>(this->core_, value);
    }
    /// Whether `value` was taken, without waiting. If not, it is untouched.
    [[nodiscard]] bool try_send(T&& value) noexcept { return this->core_.push(value); }

    [[nodiscard]] std::size_t capacity() const noexcept { return this->core_.capacity(); }
};

/// A channel without a bound: send() never waits, and a slow receiver costs memory for ever. For
/// the few places where the number of items is bounded by something else. The rest is as with
/// channel.
template <class T>
class unbounded_channel : public channel_base<T> {
public:
    explicit unbounded_channel(std::source_location made = std::source_location::current()) noexcept
        : channel_base<T>("unbounded_channel", made, detail::item_ring<T>::unbounded()) {}

    /// Throws channel_closed if it is closed.
    void send(T value) {
        if (!this->core_.push(value)) detail::refuse_closed(this->core_.id());
    }
    [[nodiscard]] bool try_send(T&& value) { return this->core_.push(value); }
};

}  // namespace rf::sync
