// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace rf::sync {

struct oneshot_statistics {
    std::size_t waiting = 0;  // tasks that wait to receive
    bool sent = false;
    bool sender_gone = false;
};

namespace detail {

template <class T>
class oneshot_awaiter;

/// What the two ends of a oneshot share.
template <class T>
class oneshot_state {
public:
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "what goes through a oneshot must move without throwing, because it moves while "
                  "another task runs; send a std::unique_ptr to it instead");

    explicit oneshot_state(std::source_location made) noexcept : identity_{"oneshot", made} {}

    [[nodiscard]] bool send(T& value) noexcept {
        if (sent_) misused(identity_, "a second value was sent; it carries one");
        if (receiver_gone_) return false;
        sent_ = true;
        if (waiters_.empty())
            value_.emplace(std::move(value));
        else
            hand_over(value);
        return true;
    }
    [[nodiscard]] bool wanted() const noexcept { return !receiver_gone_ && !sent_; }
    [[nodiscard]] std::optional<T> take() noexcept {
        std::optional<T> taken = std::move(value_);
        value_.reset();
        return taken;
    }
    /// Nothing more will come.
    [[nodiscard]] bool over() const noexcept { return sent_ || sender_gone_; }

    void drop_sender() noexcept {
        sender_gone_ = true;
        end_waits();
        if (receiver_gone_) delete this;
    }
    void drop_receiver() noexcept {
        waiters_.require_empty(identity_);
        value_.reset();  // before: it may hold the sender
        receiver_gone_ = true;
        if (sender_gone_) delete this;
    }
    [[nodiscard]] oneshot_statistics statistics() const noexcept {
        return {waiters_.count(), sent_, sender_gone_};
    }

private:
    friend class oneshot_awaiter<T>;

    ~oneshot_state() = default;
    void hand_over(T& value) noexcept;
    void end_waits() noexcept {
        while (!waiters_.empty())
            waiters_.pop(identity_).grant();
    }

    identity identity_;
    wait_queue waiters_;
    std::optional<T> value_;
    bool sent_ = false;
    bool sender_gone_ = false;
    bool receiver_gone_ = false;
};

/// `co_await receiver.receive()`.
template <class T>
class [[nodiscard]] oneshot_awaiter final : public tried_wait<oneshot_awaiter<T>> {
public:
    explicit oneshot_awaiter(oneshot_state<T>& from) noexcept : from_(&from) {}

    [[nodiscard]] bool try_now() noexcept {
        if (!from_->over()) return false;
        received_ = from_->take();
        return true;
    }
    void start() noexcept { from_->waiters_.add(*this, from_->identity_); }
    [[nodiscard]] std::optional<T> await_resume() noexcept { return std::move(received_); }
    void describe(wait_description& out) const override {
        from_->identity_.describe(out, "oneshot", "give its value");
        out.object = from_;
        out.owner = "its sender";
    }

private:
    friend class oneshot_state<T>;

    oneshot_state<T>* from_;
    std::optional<T> received_;
};

template <class T>
void oneshot_state<T>::hand_over(T& value) noexcept {
    auto& oldest = static_cast<oneshot_awaiter<T>&>(waiters_.pop(identity_));
    oldest.received_.emplace(std::move(value));
    oldest.grant();
    end_waits();
}

}  // namespace detail
}  // namespace rf::sync
