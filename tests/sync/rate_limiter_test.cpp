// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/rate_limiter.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::rate_limiter;
using rf::test::run_sim;
using rf::test::stopwatch;

TEST_CASE("rate_limiter: after the burst tokens come at the rate, in the order of asking") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 10, .per = 1s, .burst = 3});
        std::vector<std::chrono::nanoseconds> times;
        std::vector<int> order;
        stopwatch watch;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 6; ++i) {
                all.spawn([&, i]() -> rf::task<> {
                    co_await limit.acquire();
                    times.push_back(watch.elapsed());
                    order.push_back(i);
                });
            }
            co_return;
        });
        CHECK(times == std::vector<std::chrono::nanoseconds>{0s, 0s, 0s, 100ms, 200ms, 300ms});
        CHECK(order == std::vector{0, 1, 2, 3, 4, 5});
        CHECK(limit.statistics().granted == 6);
        CHECK(limit.statistics().delayed == 3);
    });
}

TEST_CASE("rate_limiter: nothing is lost to rounding, and never more is kept than the burst") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 3, .per = 1s, .burst = 2});
        stopwatch watch;
        for (int i = 0; i < 3002; ++i)
            co_await limit.acquire();
        CHECK(watch.elapsed() == 1000s);
        co_await rf::sleep_for(100h);
        CHECK(limit.statistics().available == 2);
        CHECK(limit.try_acquire(2));
        CHECK(!limit.try_acquire());
        CHECK(limit.statistics().refused == 1);
    });
}

TEST_CASE("rate_limiter: who asks for few does not pass one who asks for many") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 1, .per = 1s, .burst = 4});
        std::vector<int> order;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            co_await limit.acquire(3);
            all.spawn([&]() -> rf::task<> {
                co_await limit.acquire(4);
                order.push_back(4);
            });
            all.spawn([&]() -> rf::task<> {
                co_await limit.acquire();
                order.push_back(1);
            });
            co_await rf::sleep_for(1ms);
            CHECK(!limit.try_acquire());
        });
        CHECK(order == std::vector{4, 1});
    });
}

TEST_CASE("rate_limiter: a cancelled wait takes nothing, and those behind come sooner") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 1, .per = 1s, .burst = 5});
        stopwatch watch;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            co_await limit.acquire(5);
            rf::cancel_scope scope;
            all.spawn(
                [&]() -> rf::task<> { co_await scope.run([&] { return limit.acquire(5); }); });
            all.spawn([&]() -> rf::task<> {
                co_await limit.acquire();
                CHECK(watch.elapsed() == 1s);
            });
            co_await rf::sleep_for(500ms);
            CHECK(limit.statistics().waiting == 2);
            scope.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(limit.statistics().waiting == 1);
        });
        CHECK(watch.elapsed() == 1s);
        CHECK(limit.statistics().granted == 2);
    });
}

TEST_CASE("rate_limiter: a case of select that loses takes nothing and leaves no timer") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 1, .per = 1s, .burst = 1});
        co_await limit.acquire();
        auto won = co_await rf::select(limit.acquire(), rf::sleep_for(300ms));
        CHECK(won.index() == 1);
        CHECK(rf::loop::here().account().timers == 0);
        auto next = co_await rf::select(limit.acquire(), rf::sleep_for(2s));
        CHECK(next.index() == 0);
    });
}

TEST_CASE("rate_limiter: a token that comes after the deadline is refused at once") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 1, .per = 10s, .burst = 1});
        co_await limit.acquire();
        stopwatch watch;
        bool in_time = false;
        auto patient = [&]() -> rf::task<> {
            auto got = co_await rf::as_result(limit.acquire());
            CHECK(!got);
            CHECK(got.error().code() == ETIMEDOUT);
            in_time = true;
        };
        co_await rf::with_timeout(10s, patient());
        CHECK(in_time);
        CHECK(watch.elapsed() == 0s);
        CHECK(limit.statistics().refused == 1);
        co_await rf::with_timeout(11s, [&] { return limit.acquire(); });
        CHECK(watch.elapsed() == 10s);
    });
}

TEST_CASE("rate_limiter: a reservation comes behind those who wait, and can be given back") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 1, .per = 1s, .burst = 2});
        stopwatch watch;
        const auto start = rf::clock::now();
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto both = limit.reserve(2);
            CHECK(both.when() == start);
            all.spawn([&]() -> rf::task<> {
                co_await limit.acquire();
                CHECK(watch.elapsed() == 1s);
            });
            co_await rf::sleep_for(1ms);
            auto second = limit.reserve();
            CHECK(second.when() == start + 2s);
            auto third = limit.reserve();
            CHECK(third.when() == start + 3s);
            CHECK(limit.statistics().available == -2);
            third.give_back();
            all.spawn([&]() -> rf::task<> {
                co_await limit.acquire();
                CHECK(watch.elapsed() == 3s);
            });
        });
        CHECK(watch.elapsed() == 3s);
    });
}

TEST_CASE("rate_limiter: a guarded callable waits for its token and passes arguments and value") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 1, .per = 1s, .burst = 1});
        auto add = [](int a, int b) -> rf::task<int> { co_return a + b; };
        auto slow = limit.guard(add);
        stopwatch watch;
        const int three = co_await slow(1, 2);
        CHECK(three == 3);
        CHECK(watch.elapsed() == 0s);
        const int five = co_await limit.guard(add)(2, 3);
        CHECK(five == 5);
        CHECK(watch.elapsed() == 1s);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("rate_limiter: the refusal says when the token would have come") {
    run_sim([]() -> rf::task<> {
        rate_limiter limit({.tokens = 1, .per = 10s, .burst = 1});
        co_await limit.acquire();
        const auto start = rf::clock::now();
        bool told = false;
        try {
            co_await rf::with_timeout(1s, [&] { return limit.acquire(); });
        } catch (const rf::sync::rate_limited& refused) {
            told = true;
            CHECK(refused.when() == start + 10s);
            CHECK(refused.about().find("10000.000 ms") != std::string::npos);
        }
        CHECK(told);
    });
}

TEST_CASE("rate_limiter: rates and amounts that make no sense are refused") {
    using doctest::Contains;
    const auto refuses = [](rf::sync::rate limit, const char* why) {
        CHECK_THROWS_WITH_AS(rate_limiter{limit}, Contains(why), std::invalid_argument);
    };
    refuses({.tokens = 0}, "0 tokens in");
    refuses({.tokens = -5}, "at least 1 token");
    refuses({.per = 0s}, "longer than nothing");
    refuses({.burst = 0}, "keep at least 1");
    refuses({.burst = std::int64_t{1} << 60}, "2^61");
    rate_limiter limit({.burst = 2});
    CHECK_THROWS_WITH_AS((void)limit.acquire(3), Contains("never end"), std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)limit.try_acquire(0), Contains("at least 1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)limit.reserve(-1), Contains("at least 1"), std::invalid_argument);
}
#endif
