// SPDX-License-Identifier: MIT
#include "micro.hpp"
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <array>
#include <chrono>
#include <cstdlib>

namespace {

rf::task<> nothing() { co_return; }

rf::task<long> plus_one(long x) { co_return x + 1; }

// As one of another source file, which no compiler can place in the frame of its caller.
[[gnu::noinline]] rf::task<long> plus_one_elsewhere(long x) { co_return x + 1; }

rf::task<> spawn_join(micro::stopwatch* watch, long count, long group) {
    watch->begin();
    for (long done = 0; done < count; done += group) {
        co_await rf::with_nursery([&](rf::nursery& children) -> rf::task<> {
            for (long i = 0; i < group; ++i)
                children.spawn(nothing);
            co_return;
        });
    }
    watch->end(count);
}

rf::task<> await_ready_child(micro::stopwatch* watch, long count) {
    long x = 0;
    watch->begin();
    for (long i = 0; i < count; ++i)
        x = co_await plus_one(x);
    watch->end(count);
    if (x != count) std::abort();
}

rf::task<> await_ready_child_elsewhere(micro::stopwatch* watch, long count) {
    long x = 0;
    watch->begin();
    for (long i = 0; i < count; ++i)
        x = co_await plus_one_elsewhere(x);
    watch->end(count);
    if (x != count) std::abort();
}

rf::task<> yield_many(long count) {
    for (long i = 0; i < count; ++i)
        co_await rf::this_task::yield();
}

rf::task<> yield_switch(micro::stopwatch* watch, long count) {
    watch->begin();
    co_await rf::with_nursery([&](rf::nursery& children) -> rf::task<> {
        children.spawn(yield_many, count / 2);
        children.spawn(yield_many, count / 2);
        co_return;
    });
    watch->end(count);
}

rf::task<> sleep_one(int depth) {
    if (depth == 1)
        co_await rf::sleep_for(std::chrono::hours(1));
    else
        co_await sleep_one(depth - 1);
}

rf::task<> cancel_sleepers(micro::stopwatch* watch, long count, int depth) {
    co_await rf::with_nursery([&](rf::nursery& children) -> rf::task<> {
        for (long i = 0; i < count; ++i)
            children.spawn(sleep_one, depth);
        while (rf::loop::here().timers().armed_count() < static_cast<std::size_t>(count))
            co_await rf::this_task::yield();
        watch->begin();
        children.cancel();
    });
    watch->end(count);
}

constexpr std::array benches{
    micro::bench{"spawn_join_1", 1'000'000,
                 [](micro::stopwatch* watch, long n) { return spawn_join(watch, n, 1); }},
    micro::bench{"spawn_join_100", 2'000'000,
                 [](micro::stopwatch* watch, long n) { return spawn_join(watch, n, 100); }},
    micro::bench{"spawn_join_1m", 1'000'000,
                 [](micro::stopwatch* watch, long n) { return spawn_join(watch, n, n); }},
    micro::bench{"await_ready_child", 10'000'000, await_ready_child},
    micro::bench{"await_ready_child_elsewhere", 10'000'000, await_ready_child_elsewhere},
    micro::bench{"yield_switch", 10'000'000, yield_switch},
    micro::bench{"cancel_100k_depth1_ms", 100'000,
                 [](micro::stopwatch* watch, long n) { return cancel_sleepers(watch, n, 1); }},
    micro::bench{"cancel_100k_depth3_ms", 100'000,
                 [](micro::stopwatch* watch, long n) { return cancel_sleepers(watch, n, 3); }},
};

}  // namespace

std::span<const micro::bench> micro::task_benches() { return benches; }
