// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/sync/detail/shared_channel_core.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <source_location>
#include <span>
#include <utility>
#include <vector>

namespace rf::sync {

/// Carries items between loops, and between loops and plain threads: a queue with a bound.
///
///     rf::sync::shared_channel<job> jobs(1024);
///     std::thread other([jobs] { rf::run([&] { return work(jobs); }); });   // a handle of its own
///     co_await jobs.send(std::move(next));                  // suspends while it is full
///     auto got = co_await jobs.receive();                   // nothing: closed and empty
///
/// A handle: copies are other handles to the same channel, and each thread needs one of its own, so
/// that the channel knows who may still send. The channel lives as long as its handles, and a
/// handle as long as the waits begun with it, or the process aborts.
///
/// Order: items come out as they went in. Tasks of one loop are served oldest first; between loops
///   and threads, whoever looks first.
/// Back-pressure: a sender waits while it is full, a receiver while it is empty: a task suspended,
///   its loop free. Plain threads use the try_ calls, or block for a limited time.
/// Closing: as with channel. Nobody closes it by going away.
/// Cancellation: waits are cancel points, even if they need not wait. Cancelled, no item has moved.
///   An item taken for a task that is cancelled before it runs is received. All can be cases of
///   select.
/// Deadlock: a wait here counts as waiting for another thread, and its loop as alive, unless the
///   channel was made on this loop and has no other handle.
/// Requires: T moves without throwing.
/// Cost: a lock held while up to 256 items move, never while anybody waits; one allocation for the
///   channel and one for each loop that ever waits. A loop whose tasks wait is told once for
///   however many items have come when it looks; send_many and receive_many spread the lock, too.
template <class T>
class shared_channel : public detail::shared_handle<detail::shared_channel_core<T>> {
    using handle = detail::shared_handle<detail::shared_channel_core<T>>;

public:
    using value_type = T;

    /// How many items fit inside: at least one, or std::invalid_argument.
    explicit shared_channel(std::size_t capacity,
                            std::source_location made = std::source_location::current())
        : handle(new detail::shared_channel_core<T>(detail::checked_shared_capacity(capacity, made),
                                                    made)) {}

    // For tasks.

    /// Refers to `value`, and moves from it only when it has been taken. Throws channel_closed.
    [[nodiscard]] detail::shared_send_awaiter<T, false> send(T&& value) {
        return {this->core(), &value, 1};
    }
    [[nodiscard]] detail::shared_send_copy_awaiter<T> send(const T& value)
        requires std::copy_constructible<T>
    {
        return detail::shared_send_copy_awaiter<T>(this->core(), value);
    }
    /// Waits until at least one fits, then moves from as many as fit, in order: gives how many. The
    /// rest is the caller's, as it was. No items at all throw std::invalid_argument.
    [[nodiscard]] detail::shared_send_awaiter<T, true> send_many(std::span<T> items) {
        if (items.empty()) detail::refuse_empty_send(this->core().id());
        return {this->core(), items.data(), items.size()};
    }
    [[nodiscard]] detail::shared_receive_awaiter<T> receive() {
        return detail::shared_receive_awaiter<T>(this->core());
    }
    /// Waits for one item, then takes what else is there, to `max` in all: appended to `to`. Gives
    /// how many; 0 once the channel is closed and empty.
    [[nodiscard]] detail::shared_receive_many_awaiter<T> receive_many(std::vector<T>& to,
                                                                      std::size_t max) {
        return {this->core(), to, max};
    }

    // For anybody.

    /// Whether `value` was taken, without waiting. If not, it is untouched.
    [[nodiscard]] bool try_send(T&& value) noexcept { return this->core().push(&value, 1) != 0; }
    [[nodiscard]] std::optional<T> try_receive() noexcept { return this->core().pop(); }
    /// Lets nothing more in, and wakes all who wait. Gives whether this call closed it.
    bool close() noexcept { return this->core().close(); }

    // For plain threads; on a loop's thread they abort.

    /// Fails with EPIPE if closed, ETIMEDOUT after `limit`; `value` is then untouched.
    template <class Rep, class Period>
    [[nodiscard]] result<void> send_blocking(T&& value, std::chrono::duration<Rep, Period> limit) {
        return this->core().push_blocking(
            value, std::chrono::nanoseconds(rf::detail::to_nanoseconds(limit)));
    }
    /// Nothing once the channel is closed and empty; fails with ETIMEDOUT after `limit`.
    template <class Rep, class Period>
    [[nodiscard]] result<std::optional<T>> receive_blocking(
        std::chrono::duration<Rep, Period> limit) {
        return this->core().pop_blocking(
            std::chrono::nanoseconds(rf::detail::to_nanoseconds(limit)));
    }

    [[nodiscard]] bool is_closed() const noexcept { return this->core().closed(); }
    [[nodiscard]] std::size_t size() const noexcept { return this->core().size(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return this->core().capacity(); }
    [[nodiscard]] shared_channel_statistics statistics() const noexcept {
        return this->core().statistics();
    }
};

}  // namespace rf::sync
