// SPDX-License-Identifier: MIT
#include "dice.hpp"
#include "scale.hpp"
#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

namespace {

using namespace std::chrono_literals;

constexpr long sleeps_of_task = 1000;
constexpr auto span = std::chrono::nanoseconds(1h);
constexpr double growth_max = 2e6;  // bytes, from a tenth of the timers to all of them

struct progress {
    long armed = 0;
    long warm = 0;  // timers after which memory must not grow
    double memory_warm = 0;
};

// Sleeps whose sum is about an hour, none like another.
rf::task<> sleep_often(progress* seen, std::uint64_t seed) {
    scale::dice random(seed);
    const auto longest = static_cast<std::uint64_t>((span / sleeps_of_task * 2).count());
    for (long i = 0; i < sleeps_of_task; ++i) {
        if (++seen->armed == seen->warm) seen->memory_warm = scale::resident_bytes();
        co_await rf::sleep_for(std::chrono::nanoseconds(random.below(longest)));
    }
}

rf::task<> sleep_all(progress* seen, long count) {
    const rf::clock::time_point start = rf::clock::now();
    auto body = [&](rf::nursery& home) -> rf::task<> {
        for (long i = 0; i < std::max(count / sleeps_of_task, 1L); ++i)
            home.spawn(sleep_often, seen, static_cast<std::uint64_t>(i) + 1);
        co_return;
    };
    co_await rf::with_nursery(body);
    scale::print("virtual_time", "s",
                 std::chrono::duration<double>(rf::clock::now() - start).count());
}

}  // namespace

int scale::timers(long count) {
    rf::leakcheck::simulated_kernel kernel(rf::leakcheck::simulated_options::plain());
    progress seen;
    seen.warm = count / 10;
    const double start = processor_seconds();
    const rf::run_report report =
        rf::run_and_report([&] { return sleep_all(&seen, count); }, {},
                           std::make_unique<rf::leakcheck::simulated_driver>(kernel));
    print("timers", "", static_cast<double>(seen.armed));
    print("timer", "ns", (processor_seconds() - start) / static_cast<double>(seen.armed) * 1e9);
    const double grown = std::max(resident_bytes() - seen.memory_warm, 0.0);
    print("memory_grown", "bytes", grown);
    if (const int status = rf::print_report(report); status != 0) return status;
    if (grown <= growth_max) return 0;
    std::fprintf(stderr, "scale: memory grew by %.0f bytes while timers came and went\n", grown);
    return 1;
}
