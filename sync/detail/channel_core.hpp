// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/item_ring.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace rf::sync {

struct channel_statistics {
    std::size_t items = 0;      // in the buffer now
    std::size_t senders = 0;    // tasks that wait to send
    std::size_t receivers = 0;  // tasks that wait to receive
    std::uint64_t sent = 0;     // items that went in, so far
};

namespace detail {

/// A sender in line, with its value still its own.
template <class T>
class send_wait : public queued_wait {
public:
    T&& take() noexcept {
        sent_ = true;
        return std::move(*value_);
    }

protected:
    send_wait() noexcept = default;
    send_wait(send_wait&& other) noexcept : queued_wait(std::move(other)) {}
    ~send_wait() = default;
    // Both from when it was tried or stands in line; before, nobody asks.
    T* value_;
    bool sent_;
};

/// A receiver in line; senders put the value here. Whether there is one is told by the place in
/// line, which is of no use any more once there is: so it takes no room of its own in the frames of
/// all who wait.
template <class T>
class receive_wait : public queued_wait {
public:
    void emplace(T&& value) noexcept {
        ::new (static_cast<void*>(std::addressof(value_))) T(std::move(value));
        this->next = nullptr;
    }
    [[nodiscard]] bool received() const noexcept { return this->next == nullptr; }
    /// Before it is asked whether it received, unless it stands in line.
    void give_nothing() noexcept { this->next = this; }
    /// Only if received().
    [[nodiscard]] T& value() noexcept { return value_; }
    void forget() noexcept {
        std::destroy_at(std::addressof(value_));
        give_nothing();
    }

protected:
    receive_wait() noexcept {
        if constexpr (!std::is_trivially_destructible_v<T>) give_nothing();
    }
    receive_wait(receive_wait&& other) noexcept : queued_wait(std::move(other)) {
        if constexpr (!std::is_trivially_destructible_v<T>) give_nothing();
    }
    ~receive_wait()
        requires std::is_trivially_destructible_v<T>
    = default;
    ~receive_wait() {
        if (received()) forget();
    }

private:
    union {
        T value_;
    };
};

/// What all channels of one loop do: items move from senders to receivers, through a buffer or
/// straight from hand to hand, first come first served on both sides.
template <class T>
class channel_core {
public:
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "what goes through a channel must move without throwing, because it moves while "
                  "another task runs; send a std::unique_ptr to it instead");

    channel_core(const char* kind, std::source_location made, item_ring<T> items) noexcept
        : identity_{kind, made}, items_(std::move(items)) {}
    ~channel_core() {
        senders_.require_empty(identity_);
        receivers_.require_empty(identity_);
    }

    /// Takes the value if that needs no waiting. In line, as pop() is: a call costs as much as the
    /// rest when items only go through the buffer.
    [[nodiscard, gnu::always_inline]] bool push(T& value) noexcept {
        if (closed_) [[unlikely]]
            return false;
        if (!receivers_.empty()) return hand_over(value);
        if (!items_.try_push(value)) return false;
        rf::detail::pay_ready(items_.pushed());
        return true;
    }
    /// Gives the oldest item, if there is one, by to.emplace(T&&).
    template <class Place>
    [[nodiscard, gnu::always_inline]] bool pop(Place& to) noexcept {
        if (!items_.empty()) {
            to.emplace(items_.pop());
            rf::detail::pay_ready(items_.popped());
            if (!senders_.empty()) move_up();
            return true;
        }
        if (senders_.empty()) return false;
        return take_over(to);
    }
    /// See tried_wait: what is taken and given here pays for itself.
    [[nodiscard]] static bool has_turn() noexcept { return !rf::detail::ready_spent(); }
    /// Whether waits end without an item. A loop around such a wait has to give way as well.
    [[nodiscard]] bool ends_waits() const noexcept {
        if (closed_) rf::detail::pay_ready(0);
        return closed_;
    }
    void add_sender(send_wait<T>& wait) noexcept { senders_.add(wait, identity_); }
    void add_receiver(receive_wait<T>& wait) noexcept { receivers_.add(wait, identity_); }

    /// Nothing goes in any more. False if that was so already.
    bool close() noexcept {
        if (closed_) return false;
        closed_ = true;
        while (!receivers_.empty())
            receivers_.pop(identity_).grant();
        while (!senders_.empty())
            senders_.pop(identity_).grant();
        return true;
    }
    /// The same, and what is inside goes too.
    void close_and_clear() noexcept {
        close();
        items_.clear();
    }

    /// For the last end of a side, as it goes.
    void require_no_sender() const noexcept { senders_.require_empty(identity_); }
    void require_no_receiver() const noexcept { receivers_.require_empty(identity_); }

    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] std::size_t capacity() const noexcept { return items_.capacity(); }
    [[nodiscard]] const identity& id() const noexcept { return identity_; }
    [[nodiscard]] channel_statistics statistics() const noexcept {
        return {items_.size(), senders_.count(), receivers_.count(),
                items_.pushed() + handed_over_};
    }

private:
    /// Straight to the oldest receiver that waits.
    bool hand_over(T& value) noexcept {
        auto& first = static_cast<receive_wait<T>&>(receivers_.pop(identity_));
        first.emplace(std::move(value));
        rf::detail::pay_ready(++handed_over_);
        first.grant();
        return true;
    }
    /// Straight from the oldest sender that waits.
    template <class Place>
    bool take_over(Place& to) noexcept {
        rf::detail::pay_ready(++handed_over_);
        to.emplace(next_sender());
        return true;
    }
    /// Into the buffer, where there is room, from the oldest sender that waits. Out of line, so
    /// that what needs no waiting is short.
    [[gnu::noinline]] void move_up() noexcept { items_.push(next_sender()); }
    T&& next_sender() noexcept {
        auto& next = static_cast<send_wait<T>&>(senders_.pop(identity_));
        next.grant();  // queues the task; its frame, and the value in it, outlive this call
        return next.take();
    }

    identity identity_;
    wait_queue senders_;
    wait_queue receivers_;
    item_ring<T> items_;
    std::uint64_t handed_over_ = 0;  // items that never were in the buffer
    bool closed_ = false;
};

}  // namespace detail
}  // namespace rf::sync
