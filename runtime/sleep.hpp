// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/timer_wheel.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <coroutine>

namespace rf {

namespace detail {

class [[nodiscard]] sleep_awaiter final : public waiter {
public:
    using selectable = void;

    explicit sleep_awaiter(time_limit limit) noexcept : limit_(limit) {
        timer_.owner = this;
        timer_.on_fire = [](timer& fired) noexcept {
            static_cast<wake_timer&>(fired).owner->resume();
        };
    }
    sleep_awaiter(sleep_awaiter&& other) noexcept : sleep_awaiter(other.limit_) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) start();
    }
    void start() noexcept {
        deadline_ = limit_.end();
        if (deadline_ != instant_never) slot.owner->timers().arm(timer_, deadline_);
    }
    void await_resume() const noexcept {}

    [[nodiscard]] cancel_outcome cancel() noexcept override {
        slot.owner->timers().cancel(timer_);
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override;
    void owners(wait_owners& out) const override {
        deadline_ == instant_never ? out.anybody() : out.outside();
    }

private:
    struct wake_timer : timer {
        sleep_awaiter* owner = nullptr;
    };
    time_limit limit_;
    instant deadline_ = instant_never;  // once it waits
    wake_timer timer_;
};

}  // namespace detail

/// Waits for `span` to pass on the loop's clock, counted from the co_await; a span of zero or less
/// lets other tasks run once. Never wakes early; late by what the loop is busy with.
///
/// Cancellation: a cancel point; a cancelled sleep leaves no timer. Cost: no allocation, no system
/// call of its own.
template <class Rep, class Period>
[[nodiscard]] detail::sleep_awaiter sleep_for(std::chrono::duration<Rep, Period> span) noexcept {
    return detail::sleep_awaiter(detail::time_limit::from_start(detail::to_nanoseconds(span)));
}

/// Waits until `when`. See sleep_for.
[[nodiscard]] inline detail::sleep_awaiter sleep_until(clock::time_point when) noexcept {
    return detail::sleep_awaiter(detail::time_limit::at(detail::to_instant(when)));
}

/// Waits until cancelled.
[[nodiscard]] inline detail::sleep_awaiter sleep_forever() noexcept {
    return detail::sleep_awaiter(detail::time_limit::at(instant_never));
}

}  // namespace rf
