// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/result.hpp>
#include <ringfence/sync/channel_closed.hpp>
#include <ringfence/sync/detail/channel_core.hpp>

#include <cstddef>
#include <optional>
#include <source_location>
#include <utility>
#include <vector>

namespace rf::sync::detail {

[[noreturn]] void refuse_closed(const identity& which);
[[nodiscard]] rf::error closed_error() noexcept;
[[noreturn]] void refuse_empty_batch(const identity& which);
[[nodiscard]] std::size_t checked_capacity(std::size_t capacity, const char* kind,
                                           std::source_location made);
void describe_send(wait_description& out, const identity& which, const void* object);
void describe_receive(wait_description& out, const identity& which, const void* object);

/// What both kinds of send do. Derived has the value, as `T& value()`. Core is what takes it: as
/// channel_core does.
template <class Derived, class T, class Core>
class send_operation : public tried_wait<send_operation<Derived, T, Core>, send_wait<T>> {
public:
    [[nodiscard]] static bool has_turn() noexcept { return Core::has_turn(); }
    [[nodiscard, gnu::always_inline]] bool try_now() noexcept {
        this->sent_ = to_->push(value());
        return this->sent_ || to_->ends_waits();
    }
    void start() noexcept {
        this->value_ = &value();
        this->sent_ = false;
        to_->add_sender(*this);
    }
    void await_resume() const {
        if (!this->sent_) [[unlikely]]
            refuse_closed(to_->id());
    }
    [[nodiscard]] result<void> await_result() const noexcept {
        if (!this->sent_) return closed_error();
        return {};
    }
    void describe(wait_description& out) const override { describe_send(out, to_->id(), to_); }

protected:
    explicit send_operation(Core& to) noexcept : to_(&to) {}
    send_operation(send_operation&&) noexcept = default;
    ~send_operation() = default;

private:
    [[nodiscard]] T& value() noexcept { return static_cast<Derived&>(*this).value(); }

    Core* to_;
};

/// `co_await channel.send(std::move(value))`.
template <class T, class Core = channel_core<T>>
class [[nodiscard]] send_awaiter final : public send_operation<send_awaiter<T, Core>, T, Core> {
public:
    send_awaiter(Core& to, T& value) noexcept : send_operation<send_awaiter<T, Core>, T, Core>(to) {
        this->value_ = &value;
    }
    send_awaiter(send_awaiter&& other) noexcept
        : send_operation<send_awaiter<T, Core>, T, Core>(std::move(other)) {
        this->value_ = other.value_;
    }
    [[nodiscard]] T& value() noexcept { return *this->value_; }
};

/// The same with a value of its own.
template <class T, class Core = channel_core<T>>
class [[nodiscard]] send_copy_awaiter final
    : public send_operation<send_copy_awaiter<T, Core>, T, Core> {
public:
    send_copy_awaiter(Core& to, const T& value)
        : send_operation<send_copy_awaiter<T, Core>, T, Core>(to), copy_(value) {}
    [[nodiscard]] T& value() noexcept { return copy_; }

private:
    T copy_;
};

/// `co_await channel.receive()`.
template <class T>
class [[nodiscard]] receive_awaiter final : public tried_wait<receive_awaiter<T>, receive_wait<T>> {
public:
    explicit receive_awaiter(channel_core<T>& from) noexcept : from_(&from) {}

    [[nodiscard]] static bool has_turn() noexcept { return channel_core<T>::has_turn(); }
    [[nodiscard, gnu::always_inline]] bool try_now() noexcept {
        if (from_->pop(*this)) return true;
        this->give_nothing();
        return from_->ends_waits();
    }
    void start() noexcept { from_->add_receiver(*this); }
    [[nodiscard]] std::optional<T> await_resume() noexcept {
        if (!this->received()) return std::nullopt;
        return std::optional<T>(std::in_place, std::move(this->value()));
    }
    void describe(wait_description& out) const override {
        describe_receive(out, from_->id(), from_);
    }

private:
    channel_core<T>* from_;
};

/// `co_await channel.receive_many(to, max)`.
template <class T>
class [[nodiscard]] receive_many_awaiter final
    : public tried_wait<receive_many_awaiter<T>, receive_wait<T>> {
public:
    receive_many_awaiter(channel_core<T>& from, std::vector<T>& to, std::size_t max)
        : from_(&from), to_(&to), max_(max) {
        if (max == 0) refuse_empty_batch(from.id());
    }

    [[nodiscard]] static bool has_turn() noexcept { return channel_core<T>::has_turn(); }
    [[nodiscard]] bool try_now() noexcept { return from_->pop(*this) || from_->ends_waits(); }
    void start() noexcept { from_->add_receiver(*this); }
    [[nodiscard]] std::size_t await_resume() {
        std::size_t count = 0;
        while (this->received()) {
            to_->push_back(std::move(this->value()));
            this->forget();
            if (++count == max_ || !from_->pop(*this)) break;
        }
        return count;
    }
    void describe(wait_description& out) const override {
        describe_receive(out, from_->id(), from_);
    }

private:
    channel_core<T>* from_;
    std::vector<T>* to_;
    std::size_t max_;
};

}  // namespace rf::sync::detail
