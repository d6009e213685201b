// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/loop.hpp>

#include <limits>

namespace rf {

/// The clock of the calling thread's loop: monotonic; virtual time under the simulated driver.
/// On io_uring it is CLOCK_MONOTONIC, as std::chrono::steady_clock is.
struct clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<clock>;
    static constexpr bool is_steady = true;

    /// Read anew, not cached.
    [[nodiscard]] static time_point now() noexcept {
        return time_point(duration(loop::here().now()));
    }
};

namespace detail {

[[nodiscard]] constexpr instant to_instant(clock::time_point when) noexcept {
    return when.time_since_epoch().count();
}

/// A duration of any unit in nanoseconds; too long ones become the longest there is.
template <class Rep, class Period>
[[nodiscard]] constexpr instant to_nanoseconds(std::chrono::duration<Rep, Period> span) noexcept {
    using seconds = std::chrono::duration<double>;
    constexpr double longest_s = 9.0e9;  // about 285 years
    if (std::chrono::duration_cast<seconds>(span).count() >= longest_s) return instant_never;
    if (std::chrono::duration_cast<seconds>(span).count() <= -longest_s) return 0;
    return std::chrono::ceil<std::chrono::nanoseconds>(span).count();
}

/// `span` from now; never overflows.
[[nodiscard]] inline instant after(instant span) noexcept {
    const instant now = loop::here().now();
    return span > instant_never - now ? instant_never : now + span;
}

/// A point in time, or a span that begins when somebody starts to wait.
class time_limit {
public:
    [[nodiscard]] static time_limit from_start(instant span) noexcept { return {true, span}; }
    [[nodiscard]] static time_limit at(instant when) noexcept { return {false, when}; }

    /// When it ends, if it starts now.
    [[nodiscard]] instant end() const noexcept { return relative_ ? after(value_) : value_; }
    /// The span; zero if it is a point in time.
    [[nodiscard]] instant span() const noexcept { return relative_ ? value_ : 0; }

private:
    time_limit(bool relative, instant value) noexcept : relative_(relative), value_(value) {}

    bool relative_;
    instant value_;
};

}  // namespace detail
}  // namespace rf
