// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/sync/detail/oneshot_state.hpp>

#include <optional>
#include <source_location>
#include <utility>

namespace rf::sync {

template <class T>
class oneshot_sender;
template <class T>
class oneshot_receiver;

/// Carries one value from one task to another: an answer to whoever asked.
///
///     rf::sync::oneshot<reply> answer;
///     co_await requests.send({question, std::move(answer.sender)});
///     if (auto got = co_await answer.receiver.receive()) use(*got);
///
/// A sender that is destroyed without sending gives nothing; a receiver that is destroyed makes
/// send() return false.
///
/// Cancellation: receive() is a cancel point, even if the value is there; a cancelled wait leaves
///   the value for the next. A value handed to a receiver that is cancelled before it runs is
///   received. Can be a case of select.
/// Errors: sending twice, and using an end that was moved from, abort.
/// Lifetime: the two ends share their state, which is freed with the last. They may outlive the
///   nursery they were made in, but not the loop. Threads: one loop.
/// Requires: T moves without throwing. Cost: one allocation.
template <class T>
struct oneshot {
    explicit oneshot(std::source_location made = std::source_location::current())
        : oneshot(*new detail::oneshot_state<T>(made)) {}

    oneshot_sender<T> sender;
    oneshot_receiver<T> receiver;

private:
    explicit oneshot(detail::oneshot_state<T>& shared) noexcept
        : sender(shared), receiver(shared) {}
};

template <class T>
class oneshot_sender {
public:
    oneshot_sender() noexcept = default;
    oneshot_sender(oneshot_sender&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)) {}
    oneshot_sender& operator=(oneshot_sender&& other) noexcept {
        oneshot_sender old(std::move(*this));
        state_ = std::exchange(other.state_, nullptr);
        return *this;
    }
    ~oneshot_sender() {
        if (state_ != nullptr) state_->drop_sender();
    }

    /// Gives the value to the receiver. False if that is gone; `value` is untouched then. Once.
    bool send(T&& value) noexcept { return here().send(value); }
    /// Whether a value would still be received.
    [[nodiscard]] bool is_wanted() const noexcept { return here().wanted(); }
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    friend struct oneshot<T>;
    explicit oneshot_sender(detail::oneshot_state<T>& shared) noexcept : state_(&shared) {}

    detail::oneshot_state<T>& here() const noexcept {
        RF_ASSERT(state_ != nullptr, "a oneshot_sender was used that was moved from");
        return *state_;
    }
    detail::oneshot_state<T>* state_ = nullptr;
};

template <class T>
class oneshot_receiver {
public:
    oneshot_receiver() noexcept = default;
    oneshot_receiver(oneshot_receiver&& other) noexcept
        : state_(std::exchange(other.state_, nullptr)) {}
    oneshot_receiver& operator=(oneshot_receiver&& other) noexcept {
        oneshot_receiver old(std::move(*this));
        state_ = std::exchange(other.state_, nullptr);
        return *this;
    }
    ~oneshot_receiver() {
        if (state_ != nullptr) state_->drop_receiver();
    }

    /// The value; nothing if the sender is gone without sending, or the value was received before.
    [[nodiscard]] detail::oneshot_awaiter<T> receive() noexcept {
        return detail::oneshot_awaiter<T>(here());
    }
    [[nodiscard]] std::optional<T> try_receive() noexcept { return here().take(); }
    [[nodiscard]] oneshot_statistics statistics() const noexcept { return here().statistics(); }
    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

private:
    friend struct oneshot<T>;
    explicit oneshot_receiver(detail::oneshot_state<T>& shared) noexcept : state_(&shared) {}

    detail::oneshot_state<T>& here() const noexcept {
        RF_ASSERT(state_ != nullptr, "a oneshot_receiver was used that was moved from");
        return *state_;
    }
    detail::oneshot_state<T>* state_ = nullptr;
};

}  // namespace rf::sync
