// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/sync/detail/channel_waits.hpp>
#include <ringfence/sync/detail/item_ring.hpp>
#include <ringfence/sync/detail/shared_core.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace rf::sync {

struct shared_channel_statistics {
    std::size_t items = 0;       // in the buffer now
    std::size_t senders = 0;     // tasks and threads that wait to send
    std::size_t receivers = 0;   // tasks and threads that wait to receive
    std::size_t handles = 0;     // that exist
    std::uint64_t sent = 0;      // items that went in, so far
    std::uint64_t received = 0;  // items that came out
    std::uint64_t posts = 0;     // messages to loops that had tasks waiting
};

namespace detail {

/// Items in a batch that move under one hold of the lock.
inline constexpr std::size_t shared_batch_max = 256;

[[noreturn]] void refuse_empty_send(const identity& which);
[[nodiscard]] std::size_t checked_shared_capacity(std::size_t capacity, std::source_location made);

/// A sender, with items that are still its own from `first + sent` on.
template <class T>
class shared_send_wait : public shared_wait {
public:
    shared_send_wait(shared_core& to, T* items, std::size_t size) noexcept
        : shared_wait(to, shared_side::give), first(items), count(size) {}
    shared_send_wait(shared_send_wait&&) noexcept = default;
    T* first;
    std::size_t count;
    std::size_t sent = 0;

protected:
    ~shared_send_wait() = default;
};

template <class T>
class shared_receive_wait : public shared_wait {
public:
    explicit shared_receive_wait(shared_core& from) noexcept
        : shared_wait(from, shared_side::take) {}
    shared_receive_wait(shared_receive_wait&&) noexcept = default;
    std::optional<T> received;
    std::size_t left = 0;  // items that were there still

protected:
    ~shared_receive_wait() = default;
};

template <class T>
class shared_channel_core final : public shared_core {
public:
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "what goes through a channel must move without throwing, because it moves while "
                  "other threads wait; send a std::unique_ptr to it instead");

    shared_channel_core(std::size_t capacity, std::source_location made)
        : shared_core("shared_channel", made), items_(item_ring<T>::bounded(capacity)) {}

    [[nodiscard]] std::size_t push(T* first, std::size_t count) noexcept {
        const change here(*this);
        return put(first, count);
    }
    [[nodiscard]] std::optional<T> pop() noexcept {
        std::optional<T> got;
        const change here(*this);
        if (!items_.empty()) take(got);
        return got;
    }
    /// Takes up to `max` more after a first receive, and appends them.
    std::size_t pop_more(std::vector<T>& to, std::size_t max, std::size_t hint) {
        std::size_t count = 0;
        for (std::size_t want = max < hint ? max : hint; want != 0;) {
            const std::size_t batch = want < shared_batch_max ? want : shared_batch_max;
            const std::size_t needed = to.size() + batch;
            if (to.capacity() < needed)  // not under the lock
                to.reserve(to.capacity() * 2 < needed ? needed : to.capacity() * 2);
            std::size_t moved = 0;
            {
                const change here(*this);
                for (; moved < batch && !items_.empty(); ++moved)
                    to.push_back(items_.pop());
                received_ += moved;
            }
            count += moved;
            want = moved == batch ? want - batch : 0;
        }
        return count;
    }
    result<void> push_blocking(T& value, std::chrono::nanoseconds limit) {
        const auto until = blocking_until(limit);
        change here(*this);
        const bool ready =
            block(here, shared_side::give, until, [&] { return closed_ || !items_.full(); });
        if (!ready) return error::timed_out();
        if (put(&value, 1) == 0) return closed_error();
        return {};
    }
    result<std::optional<T>> pop_blocking(std::chrono::nanoseconds limit) {
        const auto until = blocking_until(limit);
        std::optional<T> got;
        change here(*this);
        const bool ready =
            block(here, shared_side::take, until, [&] { return closed_ || !items_.empty(); });
        if (!ready) return error::timed_out();
        if (!items_.empty()) take(got);
        return got;
    }
    bool close() noexcept {
        const change here(*this);
        return !std::exchange(closed_, true);
    }

    [[nodiscard]] bool closed() const noexcept {
        const std::lock_guard lock(this->mutex());
        return closed_;
    }
    [[nodiscard]] std::size_t size() const noexcept {
        const std::lock_guard lock(this->mutex());
        return items_.size();
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return items_.capacity(); }
    [[nodiscard]] shared_channel_statistics statistics() const noexcept {
        const std::lock_guard lock(this->mutex());
        const counts now = this->count();
        return {items_.size(), now.waiting[1], now.waiting[0], now.handles,
                sent_,         received_,      now.posts};
    }

private:
    bool serve(shared_wait& wait) noexcept override {
        if (wait.side() == shared_side::give) {
            auto& sender = static_cast<shared_send_wait<T>&>(wait);
            sender.sent = put(sender.first, sender.count);
            return sender.sent != 0 || closed_;
        }
        auto& receiver = static_cast<shared_receive_wait<T>&>(wait);
        if (items_.empty()) return closed_;
        take(receiver.received);
        receiver.left = items_.size();
        return true;
    }
    [[nodiscard]] std::size_t ready(shared_side side) const noexcept override {
        if (closed_) return static_cast<std::size_t>(-1);
        return side == shared_side::take ? items_.size() : items_.capacity() - items_.size();
    }
    std::size_t put(T* first, std::size_t count) noexcept {
        if (closed_) return 0;
        const std::size_t room = items_.capacity() - items_.size();
        if (count > room) count = room;
        if (count > shared_batch_max) count = shared_batch_max;
        for (std::size_t i = 0; i < count; ++i)
            items_.push(std::move(first[i]));
        sent_ += count;
        return count;
    }
    void take(std::optional<T>& to) noexcept {
        to.emplace(items_.pop());
        ++received_;
    }

    item_ring<T> items_;
    std::uint64_t sent_ = 0;
    std::uint64_t received_ = 0;
    bool closed_ = false;
};

/// `co_await channel.send(value)` and `co_await channel.send_many(items)`.
template <class T, bool Many>
class shared_send_operation
    : public tried_wait<shared_send_operation<T, Many>, shared_send_wait<T>> {
    using base = tried_wait<shared_send_operation<T, Many>, shared_send_wait<T>>;

public:
    using answer = std::conditional_t<Many, std::size_t, void>;

    [[nodiscard]] bool try_now() noexcept { return this->core_->try_serve(*this); }
    void start() noexcept { this->core_->line_up(*this); }
    answer await_resume() const {
        if (this->sent == 0) [[unlikely]]
            refuse_closed(this->core_->id());
        if constexpr (Many) return this->sent;
    }
    [[nodiscard]] result<answer> await_result() const noexcept {
        if (this->sent == 0) return closed_error();
        if constexpr (Many)
            return this->sent;
        else
            return {};
    }
    void describe(wait_description& out) const override {
        describe_send(out, this->core_->id(), this->core_);
    }

protected:
    shared_send_operation(shared_core& to, T* items, std::size_t size) noexcept
        : base(to, items, size) {}
    shared_send_operation(shared_send_operation&&) noexcept = default;
    ~shared_send_operation() = default;
};

template <class T, bool Many>
class [[nodiscard]] shared_send_awaiter final : public shared_send_operation<T, Many> {
public:
    shared_send_awaiter(shared_core& to, T* items, std::size_t size) noexcept
        : shared_send_operation<T, Many>(to, items, size) {}
};

/// With a value of its own.
template <class T>
class [[nodiscard]] shared_send_copy_awaiter final : public shared_send_operation<T, false> {
public:
    shared_send_copy_awaiter(shared_core& to, const T& value)
        : shared_send_operation<T, false>(to, nullptr, 1), copy_(value) {
        this->first = &copy_;
    }
    shared_send_copy_awaiter(shared_send_copy_awaiter&& other) noexcept
        : shared_send_operation<T, false>(std::move(other)), copy_(std::move(other.copy_)) {
        this->first = &copy_;
    }

private:
    T copy_;
};

template <class T>
class [[nodiscard]] shared_receive_awaiter final
    : public tried_wait<shared_receive_awaiter<T>, shared_receive_wait<T>> {
    using base = tried_wait<shared_receive_awaiter<T>, shared_receive_wait<T>>;

public:
    explicit shared_receive_awaiter(shared_core& from) noexcept : base(from) {}
    [[nodiscard]] bool try_now() noexcept { return this->core_->try_serve(*this); }
    void start() noexcept { this->core_->line_up(*this); }
    [[nodiscard]] std::optional<T> await_resume() noexcept { return std::move(this->received); }
    void describe(wait_description& out) const override {
        describe_receive(out, this->core_->id(), this->core_);
    }
};

template <class T>
class [[nodiscard]] shared_receive_many_awaiter final
    : public tried_wait<shared_receive_many_awaiter<T>, shared_receive_wait<T>> {
    using base = tried_wait<shared_receive_many_awaiter<T>, shared_receive_wait<T>>;

public:
    shared_receive_many_awaiter(shared_core& from, std::vector<T>& to, std::size_t max)
        : base(from), to_(&to), max_(max) {
        if (max == 0) refuse_empty_batch(from.id());
    }
    [[nodiscard]] bool try_now() noexcept { return this->core_->try_serve(*this); }
    void start() noexcept { this->core_->line_up(*this); }
    [[nodiscard]] std::size_t await_resume() {
        if (!this->received) return 0;
        to_->push_back(std::move(*this->received));
        auto& from = static_cast<shared_channel_core<T>&>(*this->core_);
        return 1 + from.pop_more(*to_, max_ - 1, this->left);
    }
    void describe(wait_description& out) const override {
        describe_receive(out, this->core_->id(), this->core_);
    }

private:
    std::vector<T>* to_;
    std::size_t max_;
};

}  // namespace detail
}  // namespace rf::sync
