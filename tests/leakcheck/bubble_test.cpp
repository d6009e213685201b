// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using rf::leakcheck::advance;
using rf::leakcheck::bubble;
using rf::leakcheck::bubble_options;
using rf::leakcheck::bubble_report;
using rf::leakcheck::explore;
using rf::leakcheck::wait_all_blocked;
using rf::test::has;

namespace {

rf::task<> lock_both(rf::sync::mutex& first, rf::sync::mutex& second) {
    auto one = co_await first.lock();
    auto two = co_await second.lock();
}

/// Locks in opposite order, without a wait between the two: harmless unless somebody is switched
/// to right there.
rf::task<> opposite_orders() {
    rf::sync::mutex a;
    rf::sync::mutex b;
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        jobs.spawn(lock_both, std::ref(a), std::ref(b));
        jobs.spawn(lock_both, std::ref(b), std::ref(a));
        co_return;
    });
}

rf::task<> same_order() {
    rf::sync::mutex a;
    rf::sync::mutex b;
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        jobs.spawn(lock_both, std::ref(a), std::ref(b));
        jobs.spawn(lock_both, std::ref(a), std::ref(b));
        co_return;
    });
}

bubble_options by(explore how) {
    bubble_options options;
    options.explore = how;
    return options;
}

std::chrono::nanoseconds now() { return rf::clock::now().time_since_epoch(); }

}  // namespace

TEST_CASE("bubble: time jumps when all tasks are blocked, and a year passes at once") {
    const bubble_report report = bubble([]() -> rf::task<> {
        const auto before = now();
        co_await rf::sleep_for(1h);
        CHECK(now() - before == 1h);
    });
    CHECK(report.failure == "");
    CHECK(report.runs == 1);
}

#if RF_EXCEPTIONS
TEST_CASE("bubble: what fn throws is its failure, with a token") {
    const bubble_report report = bubble([]() -> rf::task<> {
        co_await rf::sleep_for(1s);
        throw std::runtime_error("broken");
    });
    CHECK(has(report.failure, "it threw: broken"));
    CHECK(has(report.failure, report.token.c_str()));
    CHECK(report.error != nullptr);
}
#endif

TEST_CASE("bubble: wait_all_blocked returns when nothing moves but the clock") {
    const bubble_report report = bubble([]() -> rf::task<> {
        int steps = 0;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            rf::sync::mutex lock;
            auto held = co_await lock.lock();
            jobs.spawn([&steps, &lock]() -> rf::task<> {
                for (int i = 0; i < 10; ++i) {
                    co_await rf::this_task::yield();
                    ++steps;
                }
                auto mine = co_await lock.lock();
                ++steps;
                co_await rf::sleep_for(1s);
                ++steps;
            });
            const auto before = now();
            co_await wait_all_blocked();
            CHECK(steps == 10);  // a mutex counts as blocked
            held.unlock();
            co_await wait_all_blocked();
            CHECK(steps == 11);
            CHECK(now() == before);
            co_await advance(999ms);
            CHECK(steps == 11);
            co_await advance(1ms);
            CHECK(steps == 12);
            CHECK(now() - before == 1s);
        });
    });
    CHECK(report.failure == "");
}

TEST_CASE("bubble: advance lets everything of its last instant happen") {
    const bubble_report report = bubble([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            int ticks = 0;
            jobs.spawn([&ticks]() -> rf::task<> {
                for (;;) {
                    co_await rf::sleep_for(1s);
                    ++ticks;
                }
            });
            co_await rf::this_task::yield();
            co_await advance(10s);
            CHECK(ticks == 10);
            jobs.cancel();
        });
    });
    CHECK(report.failure == "");
}

TEST_CASE("bubble: a deadlock fails at once, with its cycle") {
    const bubble_report report = bubble([]() -> rf::task<> {
        rf::sync::mutex lock;
        auto held = co_await lock.lock();
        auto again = co_await lock.lock();
    });
    CHECK(has(report.failure, "deadlock"));
    CHECK(has(report.failure, "PROVEN cycle: a task waits for itself"));
}

TEST_CASE("bubble: a receive that no simulated peer will serve is a deadlock") {
    const bubble_report report = bubble([]() -> rf::task<> {
        rf::sync::event never;
        co_await never.wait();
    });
    CHECK(has(report.failure, "PROVEN quiescent"));
}

TEST_CASE("bubble: a cycle is found though other tasks go on for ever") {
    const bubble_report report = bubble([]() -> rf::task<> {
        rf::sync::mutex lock;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(lock_both, std::ref(lock), std::ref(lock));
            for (;;)
                co_await rf::sleep_for(1s);
        });
    });
    CHECK(has(report.failure, "some tasks can never go on, while others do"));
    CHECK(has(report.failure, "PROVEN cycle"));
}

TEST_CASE("bubble: a program that never ends is stopped after its virtual time") {
    bubble_options options;
    options.time_max = 1h;
    const bubble_report report = bubble(
        []() -> rf::task<> {
            for (;;)
                co_await rf::sleep_for(1min);
        },
        options);
    CHECK(has(report.failure, "the run goes on after 3660 s of virtual time"));
}

TEST_CASE("bubble: a descriptor left open is a failure") {
    const bubble_report report = bubble([]() -> rf::task<> {
        (void)rf::leakcheck::simulated_kernel::here().make_file("x");
        co_return;
    });
    CHECK(has(report.failure, "descriptors were left open"));
}

TEST_CASE("bubble: without exploration an order that only a switch would break goes well") {
    CHECK(bubble(opposite_orders).failure == "");
}

TEST_CASE("bubble: each way to explore finds the switch that makes a deadlock") {
    for (const explore how : {explore::random, explore::pct, explore::depth_first}) {
        CAPTURE(static_cast<int>(how));
        const bubble_report report = bubble(opposite_orders, by(how));
        CHECK(has(report.failure, "PROVEN cycle: 2 tasks"));
        CHECK(report.runs < 100);

        bubble_options again;
        again.replay = report.token;
        const bubble_report replayed = bubble(opposite_orders, again);
        CHECK(replayed.runs == 1);
        CHECK(has(replayed.failure, "PROVEN cycle: 2 tasks"));
        CHECK(replayed.token == report.token);
    }
}

TEST_CASE("bubble: a sound program passes every exploration, and depth first ends") {
    for (const explore how : {explore::random, explore::pct})
        CHECK(bubble(same_order, by(how)).failure == "");
    const bubble_report all = bubble(same_order, by(explore::depth_first));
    CHECK(all.failure == "");
    CHECK(all.exhausted);
    CHECK(all.runs > 2);
}

TEST_CASE("bubble: a token of another build is refused in one sentence") {
    bubble_options options;
    options.replay = bubble(same_order).token;
    CHECK(bubble(same_order, options).failure == "");
    options.replay[0] = options.replay[0] == 'a' ? 'b' : 'a';
    const bubble_report report = bubble(same_order, options);
    CHECK(report.runs == 0);
    CHECK(has(report.failure, "is of another build than this program"));
    CHECK(std::count(report.failure.begin(), report.failure.end(), '\n') == 1);
    for (const char* wrong : {"x", "nonsense", "00000000-", "00000000-z12", "00000000-rt!"}) {
        CAPTURE(wrong);
        options.replay = wrong;
        CHECK(has(bubble(same_order, options).failure, "is no replay token"));
    }
}
