// SPDX-License-Identifier: MIT
#include "deadlines.hpp"
#include "micro.hpp"
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/timer_wheel.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <vector>

namespace {

using micro::deadlines;

std::vector<rf::timer> make_timers(long count) {
    std::vector<rf::timer> timers(static_cast<std::size_t>(count));
    for (rf::timer& one : timers)
        one.on_fire = [](rf::timer&) noexcept { std::abort(); };
    return timers;
}

rf::task<> arm_and_cancel_all(micro::stopwatch* watch, long count) {
    std::vector<rf::timer> timers = make_timers(count);
    rf::timer_wheel& wheel = rf::loop::here().timers();
    deadlines when(rf::loop::here().now());
    watch->begin();
    for (rf::timer& one : timers)
        wheel.arm(one, when.next());
    for (rf::timer& one : timers)
        wheel.cancel(one);
    watch->end(count);
    co_return;
}

rf::task<> churn_at_1m(micro::stopwatch* watch, long count) {
    std::vector<rf::timer> outstanding = make_timers(1'000'000);
    std::vector<rf::timer> one = make_timers(1);
    rf::timer_wheel& wheel = rf::loop::here().timers();
    deadlines when(rf::loop::here().now());
    for (rf::timer& other : outstanding)
        wheel.arm(other, when.next());
    watch->begin();
    for (long i = 0; i < count; ++i) {
        wheel.arm(one.front(), when.next());
        wheel.cancel(one.front());
    }
    watch->end(count);
    for (rf::timer& other : outstanding)
        wheel.cancel(other);
    co_return;
}

constexpr std::array benches{
    micro::bench{"timer_1m_arm_cancel", 1'000'000, arm_and_cancel_all},
    micro::bench{"timer_churn_at_1m", 10'000'000, churn_at_1m},
};

}  // namespace

std::span<const micro::bench> micro::timer_benches() { return benches; }
