// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/keyed_rate_limiter.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using rf::sync::keyed_rate_limiter;
using rf::test::run_sim;
using rf::test::stopwatch;

TEST_CASE("keyed_rate_limiter: each key has a rate of its own") {
    run_sim([]() -> rf::task<> {
        keyed_rate_limiter<std::string> limits({.tokens = 1, .per = 1s, .burst = 2}, 100);
        const stopwatch watch;
        for (int i = 0; i < 2; ++i) {
            co_await limits.acquire("one");
            co_await limits.acquire("two");
        }
        CHECK(watch.elapsed() == 0s);
        CHECK(!limits.try_acquire("one"));
        CHECK(limits.try_acquire("three"));
        co_await limits.acquire("one");
        CHECK(watch.elapsed() == 1s);
        CHECK(limits.reserve("two").time_since_epoch() <= rf::clock::now().time_since_epoch());
        CHECK(limits.reserve("two") == rf::clock::now() + 1s);
        CHECK(limits.statistics().keys == 3);
        CHECK(limits.statistics().granted == 8);
        CHECK(limits.statistics().refused == 1);
    });
}

TEST_CASE("keyed_rate_limiter: keys whose buckets are full again are forgotten as others come") {
    run_sim([]() -> rf::task<> {
        keyed_rate_limiter<int> limits({.tokens = 1, .per = 1s, .burst = 1}, 1000);
        for (int i = 0; i < 100'000; ++i) {
            CHECK(limits.try_acquire(i));
            co_await rf::sleep_for(100ms);
            CHECK(limits.statistics().keys <= 11);
        }
        CHECK(limits.statistics().evicted == 0);
        CHECK(limits.statistics().granted == 100'000);
    });
}

TEST_CASE("keyed_rate_limiter: beyond its keys the one used longest ago goes, and it says so") {
    run_sim([]() -> rf::task<> {
        keyed_rate_limiter<int> limits({.tokens = 1, .per = 1h, .burst = 1}, 3);
        for (const int key : {1, 2, 3})
            CHECK(limits.try_acquire(key));
        CHECK(!limits.try_acquire(1));  // used again: 2 is the oldest now
        CHECK(limits.try_acquire(4));
        CHECK(limits.statistics().keys == 3);
        CHECK(limits.statistics().evicted == 1);
        CHECK(!limits.try_acquire(1));
        CHECK(!limits.try_acquire(3));
        CHECK(limits.try_acquire(2));  // had been forgotten
        co_return;
    });
}

TEST_CASE("keyed_rate_limiter: a key with tasks waiting stays, and a cancelled wait leaves none") {
    run_sim([]() -> rf::task<> {
        keyed_rate_limiter<int> limits({.tokens = 1, .per = 1h, .burst = 1}, 2);
        CHECK(limits.try_acquire(1));
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto wait = [&]() -> rf::task<> { co_await limits.acquire(1); };
                co_await scope.run(wait());
            });
            co_await rf::sleep_for(1ms);
            for (int key = 2; key < 10; ++key)
                CHECK(limits.try_acquire(key));
            CHECK(limits.statistics().waiting == 1);
            CHECK(!limits.try_acquire(1));
            scope.cancel();
        });
        CHECK(limits.statistics().waiting == 0);
        CHECK(rf::loop::here().account().timers == 0);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("keyed_rate_limiter: numbers that make no sense, and a key too many, are refused") {
    run_sim([]() -> rf::task<> {
        using limiter = keyed_rate_limiter<int>;
        CHECK_THROWS_WITH_AS(limiter({}, 0), doctest::Contains("at most 0 keys"),
                             std::invalid_argument);
        CHECK_THROWS_WITH_AS(limiter({}, static_cast<std::size_t>(-3)),
                             doctest::Contains("keyed_rate_limiter_test.cpp"),
                             std::invalid_argument);
        CHECK_THROWS_AS(limiter({.tokens = 0}, 1), std::invalid_argument);
        limiter limits({.tokens = 1, .per = 1s, .burst = 1}, 1);
        CHECK_THROWS_AS((void)limits.try_acquire(1, 0), std::invalid_argument);
        CHECK(limits.try_acquire(1));
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { co_await limits.acquire(1); });
            co_await rf::sleep_for(1ms);
            CHECK_THROWS_WITH_AS((void)limits.try_acquire(2),
                                 doctest::Contains("tasks wait at all of the 1 keys"),
                                 rf::sync::key_limit_reached);
        });
    });
}
#endif
