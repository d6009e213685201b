// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/channel_waits.hpp>
#include <ringfence/sync/detail/item_ring.hpp>
#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace rf::sync {

/// What a broadcast does when it is full because a receiver is slow.
enum class lag_policy : std::uint8_t {
    sender_waits,   // until the slowest receiver has taken the oldest item
    receiver_skips  // the oldest item goes; who had not taken it is told how many it missed
};
inline constexpr lag_policy sender_waits = lag_policy::sender_waits;
inline constexpr lag_policy receiver_skips = lag_policy::receiver_skips;

/// An item of a broadcast, and how many before it this receiver missed since the one it had last.
template <class T>
struct broadcast_item {
    T value;
    std::uint64_t missed = 0;  // always 0 when the sender waits
};

struct broadcast_statistics {
    std::size_t items = 0;          // kept for some receiver now
    std::size_t receivers = 0;      // subscribed
    std::size_t waiting = 0;        // of those, tasks that wait to receive
    std::size_t senders = 0;        // tasks that wait to send
    std::uint64_t sent = 0;         // items that went in, so far
    std::uint64_t overwritten = 0;  // of these, gone before every receiver had them
};

namespace detail {

[[nodiscard]] std::size_t checked_broadcast_capacity(std::size_t capacity,
                                                     std::source_location made);

/// Where a receiver is in the row of all items ever sent.
struct broadcast_place {
    std::uint64_t next = 0;           // the number of the item it has not taken yet
    const queued_wait* by = nullptr;  // the wait it is used by, until that has ended
};

/// What a broadcast does: each item is kept until every receiver that was there when it came has
/// taken it, and counts how many have not. Receivers take in order, so the items that nobody needs
/// any more are always the oldest.
template <class T>
class broadcast_core {
public:
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_copy_constructible_v<T>,
                  "what goes through a broadcast is copied to each receiver, and must move without "
                  "throwing; send a std::shared_ptr<const ...> to it instead");

    broadcast_core(std::size_t capacity, lag_policy lag, std::source_location made)
        : identity_{"broadcast", made}, lag_(lag),
          items_(item_ring<kept>::bounded(checked_broadcast_capacity(capacity, made))) {}
    ~broadcast_core() {
        senders_.require_empty(identity_);
        waiting_.require_empty(identity_);
        if (receivers_ != 0)
            misused(identity_, "it was destroyed while it has receivers; it has to outlive them");
    }
    broadcast_core(const broadcast_core&) = delete;
    broadcast_core& operator=(const broadcast_core&) = delete;

    /// Takes the value if that needs no waiting.
    [[nodiscard]] bool push(T& value) noexcept {
        if (closed_ || (full() && lag_ == lag_policy::sender_waits)) return false;
        if (full()) {
            (void)items_.pop();
            ++overwritten_;
        }
        put(std::move(value));
        return true;
    }
    [[nodiscard]] static bool has_turn() noexcept { return rf::detail::spend_ready(); }
    [[nodiscard]] bool ends_waits() const noexcept { return closed_; }
    void add_sender(send_wait<T>& wait) noexcept { senders_.add(wait, identity_); }
    bool close() noexcept {
        if (closed_) return false;
        closed_ = true;
        while (!waiting_.empty())
            waiting_.pop(identity_).grant();
        while (!senders_.empty())
            senders_.pop(identity_).grant();
        return true;
    }

    [[nodiscard]] broadcast_place subscribe() noexcept {
        ++receivers_;
        return {.next = sent_};
    }
    void unsubscribe(broadcast_place& from) noexcept {
        if (from.by != nullptr)
            misused(identity_, "a receiver of it was destroyed while a task waits on it; it has "
                               "to outlive the wait");
        --receivers_;
        for (std::size_t at = index(from); at < items_.size(); ++at)
            --items_[at].missing;
        drop_taken();
    }

    /// Whether take() would have something to say at once.
    [[nodiscard]] bool ready(const broadcast_place& at) const noexcept {
        return at.next != sent_ || closed_;
    }
    void check_free(const broadcast_place& at) const noexcept {
        if (at.by != nullptr)
            misused(identity_, "a receiver of it is used by two waits at a time; each task needs "
                               "a receiver of its own, from subscribe()");
    }
    void add_receiver(queued_wait& wait, broadcast_place& at) noexcept {
        check_free(at);
        at.by = &wait;
        waiting_.add(wait, identity_);
    }
    /// The next item of this receiver; nothing if there is none.
    [[nodiscard]] std::optional<broadcast_item<T>> take(broadcast_place& at) {
        if (at.next == sent_) return std::nullopt;
        const std::size_t place = index(at);
        const std::uint64_t number = oldest() + place;
        const std::uint64_t missed = number - at.next;
        kept& item = items_[place];
        // The last who wants it may have it. A copy may throw: then nothing has been taken.
        std::optional<broadcast_item<T>> taken;
        if (item.missing == 1)
            taken.emplace(broadcast_item<T>{std::move(item.value), missed});
        else
            taken.emplace(broadcast_item<T>{std::as_const(item.value), missed});
        at.next = number + 1;
        --item.missing;
        drop_taken();
        return taken;
    }

    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return items_.capacity(); }
    [[nodiscard]] std::size_t lag(const broadcast_place& at) const noexcept {
        return static_cast<std::size_t>(sent_ - at.next);
    }
    [[nodiscard]] const identity& id() const noexcept { return identity_; }
    [[nodiscard]] broadcast_statistics statistics() const noexcept {
        return {items_.size(), receivers_, waiting_.count(), senders_.count(), sent_, overwritten_};
    }

private:
    struct kept {
        T value;
        std::size_t missing;  // receivers that have not taken it; not fewer than the one before
    };

    [[nodiscard]] bool full() const noexcept { return items_.full(); }
    [[nodiscard]] std::uint64_t oldest() const noexcept { return sent_ - items_.size(); }
    /// Where in `items_` the next item of a receiver is, or the oldest if that is gone.
    [[nodiscard]] std::size_t index(const broadcast_place& at) const noexcept {
        return at.next <= oldest() ? 0 : static_cast<std::size_t>(at.next - oldest());
    }
    void put(T&& value) noexcept {
        ++sent_;
        if (receivers_ == 0) {  // nobody listens
            [[maybe_unused]] const T gone(std::move(value));
            return;
        }
        items_.push(kept{std::move(value), receivers_});
        while (!waiting_.empty())
            waiting_.pop(identity_).grant();
    }
    /// Lets go of what every receiver has, and lets senders in that wait for the room.
    void drop_taken() noexcept {
        while (!items_.empty() && items_[0].missing == 0)
            (void)items_.pop();
        while (!senders_.empty() && !full()) {
            auto& next = static_cast<send_wait<T>&>(senders_.pop(identity_));
            next.grant();  // queues the task; its frame, and the value in it, outlive this call
            put(next.take());
        }
    }

    identity identity_;
    wait_queue senders_;  // empty unless it is full and the sender waits
    wait_queue waiting_;  // receivers that have taken everything
    lag_policy lag_;
    item_ring<kept> items_;  // the last of those that were sent
    std::size_t receivers_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t overwritten_ = 0;
    bool closed_ = false;
};

/// `co_await receiver.receive()`. Granted, it takes its item as it resumes: nothing has moved yet.
template <class T>
class [[nodiscard]] broadcast_receive_awaiter final
    : public tried_wait<broadcast_receive_awaiter<T>> {
public:
    broadcast_receive_awaiter(broadcast_core<T>& from, broadcast_place& at) noexcept
        : from_(&from), at_(&at) {}

    [[nodiscard]] bool try_now() noexcept {
        from_->check_free(*at_);
        if (!from_->ready(*at_)) return false;
        at_->by = this;
        return true;
    }
    void start() noexcept { from_->add_receiver(*this, *at_); }
    [[nodiscard]] std::optional<broadcast_item<T>> await_resume() {
        at_->by = nullptr;
        return from_->take(*at_);
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        at_->by = nullptr;
        return queued_wait::cancel();
    }
    void describe(wait_description& out) const override {
        describe_receive(out, from_->id(), from_);
    }

private:
    broadcast_core<T>* from_;
    broadcast_place* at_;
};

}  // namespace detail
}  // namespace rf::sync
