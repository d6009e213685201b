// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/sync/detail/ends_state.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

namespace rf::sync {

/// The end of a channel that items go into: see open_channel(). Copies are further ends of the same
/// channel; when the last is gone, the channel is closed. One that was moved from holds none, and
/// aborts when used.
template <class T>
class sender {
public:
    using value_type = T;

    sender() noexcept = default;
    sender(const sender& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) state_->add_sender();
    }
    sender(sender&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    sender& operator=(sender other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~sender() {
        if (state_ != nullptr) state_->drop_sender();
    }

    /// As channel::send(). Fails with channel_closed once the last receiver is gone.
    [[nodiscard]] detail::send_awaiter<T> send(T&& value) noexcept {
        return detail::send_awaiter<T>(core(), value);
    }
    [[nodiscard]] detail::send_copy_awaiter<T> send(const T& value)
        requires std::copy_constructible<T>
    {
        return detail::send_copy_awaiter<T>(core(), value);
    }
    [[nodiscard]] bool try_send(T&& value) noexcept { return core().push(value); }

    /// Closes the channel for all its senders. Whether this call did.
    bool close() noexcept { return core().close(); }
    [[nodiscard]] bool is_closed() const noexcept { return core().closed(); }
    [[nodiscard]] channel_statistics statistics() const noexcept { return core().statistics(); }
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    template <class U>
    friend struct channel_ends;
    explicit sender(detail::ends_state<T>& shared) noexcept : state_(&shared) {}

    [[nodiscard]] detail::channel_core<T>& core() const noexcept {
        RF_ASSERT(state_ != nullptr, "a sender was used that was moved from");
        return state_->core();
    }
    detail::ends_state<T>* state_ = nullptr;
};

/// The end of a channel that items come out of: see open_channel(). Copies are further ends of the
/// same channel, and each item goes to one of them; when the last is gone, what is inside is
/// destroyed and every send() fails at once. One that was moved from holds none, and aborts when
/// used.
template <class T>
class receiver {
public:
    using value_type = T;

    receiver() noexcept = default;
    receiver(const receiver& other) noexcept : state_(other.state_) {
        if (state_ != nullptr) state_->add_receiver();
    }
    receiver(receiver&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    receiver& operator=(receiver other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~receiver() {
        if (state_ != nullptr) state_->drop_receiver();
    }

    /// The next item; nothing once the channel is closed and empty.
    [[nodiscard]] detail::receive_awaiter<T> receive() noexcept {
        return detail::receive_awaiter<T>(core());
    }
    [[nodiscard]] std::optional<T> try_receive() noexcept {
        std::optional<T> got;
        (void)core().pop(got);
        return got;
    }
    /// As channel::receive_many().
    [[nodiscard]] detail::receive_many_awaiter<T> receive_many(std::vector<T>& to,
                                                               std::size_t max) {
        return detail::receive_many_awaiter<T>(core(), to, max);
    }

    /// Lets nothing more in; what is inside can still be received. Whether this call closed it.
    bool close() noexcept { return core().close(); }
    [[nodiscard]] bool is_closed() const noexcept { return core().closed(); }
    [[nodiscard]] std::size_t size() const noexcept { return core().size(); }
    [[nodiscard]] channel_statistics statistics() const noexcept { return core().statistics(); }
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    template <class U>
    friend struct channel_ends;
    explicit receiver(detail::ends_state<T>& shared) noexcept : state_(&shared) {}

    [[nodiscard]] detail::channel_core<T>& core() const noexcept {
        RF_ASSERT(state_ != nullptr, "a receiver was used that was moved from");
        return state_->core();
    }
    detail::ends_state<T>* state_ = nullptr;
};

/// What open_channel() gives.
template <class T>
struct channel_ends {
    channel_ends(std::size_t capacity, std::source_location made)
        : channel_ends(*new detail::ends_state<T>(capacity, made)) {}

    rf::sync::sender<T> sender;
    rf::sync::receiver<T> receiver;

private:
    explicit channel_ends(detail::ends_state<T>& shared) noexcept
        : sender(shared), receiver(shared) {}
};

/// A channel as its two ends, which keep it alive and close it: for tasks that should end when
/// those on the other side have.
///
///     auto [to, from] = rf::sync::open_channel<job>(64);
///     jobs.spawn(produce, std::move(to));            // closed when the last producer is gone
///     while (auto job = co_await from.receive()) co_await work(*job);
///
/// Move each end into the task that uses it: an end kept elsewhere keeps the channel open.
///
/// Sending, receiving, their order, cancellation and errors are those of channel; both can be cases
/// of select.
/// Lifetime: the channel is freed with its last end. Ends may outlive the nursery they were made
///   in, but not the loop, and each outlives the waits made through it: a last end destroyed while
///   a task waits on it aborts. An end that lies in its own channel keeps it open.
/// Threads: one loop; the counts are not atomic. Cost: two allocations.
template <class T>
[[nodiscard]] channel_ends<T> open_channel(
    std::size_t capacity, std::source_location made = std::source_location::current()) {
    return channel_ends<T>(capacity, made);
}

}  // namespace rf::sync
