// SPDX-License-Identifier: MIT
// Its laws as a lock are in lock_laws_test.cpp.
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/semaphore.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::semaphore;
using rf::test::run_sim;

TEST_CASE("semaphore: those who ask for few do not pass one who asks for many") {
    run_sim([]() -> rf::task<> {
        semaphore places(4);
        std::vector<int> order;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto three = co_await places.acquire(3);
            all.spawn([&]() -> rf::task<> {
                auto many = co_await places.acquire(4);
                order.push_back(4);
            });
            all.spawn([&]() -> rf::task<> {
                auto one = co_await places.acquire();
                order.push_back(1);
            });
            co_await rf::sleep_for(1ms);
            CHECK(order.empty());
            CHECK(!places.try_acquire());
            three.release(1);
            three.release();
        });
        CHECK(order == std::vector{4, 1});
    });
}

TEST_CASE("semaphore: one who asked for many and is cancelled lets the others pass") {
    run_sim([]() -> rf::task<> {
        semaphore places(4);
        bool passed = false;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto three = co_await places.acquire(3);
            rf::cancel_scope scope;
            auto many = [&]() -> rf::task<> { auto held = co_await places.acquire(4); };
            all.spawn([&]() -> rf::task<> { co_await scope.run(many()); });
            all.spawn([&]() -> rf::task<> {
                auto one = co_await places.acquire();
                passed = true;
            });
            co_await rf::sleep_for(1ms);
            CHECK(!passed);
            scope.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(passed);
        });
    });
}

TEST_CASE("semaphore: cases of one select that wait behind each other take effect once") {
    run_sim([]() -> rf::task<> {
        semaphore places(4);
        rf::sync::event done;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto three = co_await places.acquire(3);
            rf::cancel_scope scope;
            auto two = [&]() -> rf::task<> { auto held = co_await places.acquire(2); };
            all.spawn([&]() -> rf::task<> { co_await scope.run(two()); });
            co_await rf::sleep_for(1ms);
            all.spawn([&]() -> rf::task<> {
                // Taking the first case back lets the second pass: not when the third has won.
                auto won = co_await rf::select(places.acquire(4), places.acquire(1), done.wait());
                CHECK(won.index() == 2);
            });
            co_await rf::sleep_for(1ms);
            scope.cancel();
            CHECK(places.statistics().waiting == 2);
            done.set();
            co_await rf::sleep_for(1ms);
            CHECK(places.available() == 1);
        });
        CHECK(places.available() == 4);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("semaphore: what could never be granted is refused") {
    CHECK_THROWS_WITH_AS(semaphore(0), doctest::Contains("at least 1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(semaphore(static_cast<std::size_t>(-3)),
                         doctest::Contains("of -3 permits"), std::invalid_argument);
    semaphore places(2);
    CHECK_THROWS_WITH_AS((void)places.acquire(3), doctest::Contains("never end"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)places.try_acquire(0), doctest::Contains("at least 1"),
                         std::invalid_argument);
}
#endif
