// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/bulkhead.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::bulkhead;
using rf::test::run_sim;

TEST_CASE("bulkhead: so many run, so many wait in order, and the rest is refused at once") {
    run_sim([]() -> rf::task<> {
        bulkhead wall({.concurrent = 2, .queue = 3});
        int inside = 0;
        int most = 0;
        int refused = 0;
        std::vector<int> order;
        auto call = [&](int number) -> rf::task<rf::result<int>> {
            order.push_back(number);
            most = std::max(most, ++inside);
            co_await rf::sleep_for(10ms);
            --inside;
            co_return number;
        };
        auto guarded = wall.guard(call);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 7; ++i) {
                all.spawn([&, i]() -> rf::task<> {
                    auto got = co_await guarded(i);
                    if (got) co_return;
                    CHECK(got.error().code() == EBUSY);
                    ++refused;
                });
            }
            co_await rf::sleep_for(1ms);
            CHECK(refused == 2);
            CHECK(wall.statistics().running == 2);
            CHECK(wall.statistics().waiting == 3);
        });
        CHECK(most == 2);
        CHECK(order == std::vector{0, 1, 2, 3, 4});
        CHECK(wall.statistics().running == 0);
        CHECK(wall.statistics().admitted == 5);
        CHECK(wall.statistics().refused == 2);
    });
}

TEST_CASE("bulkhead: cancelled calls give back their place, running or waiting") {
    run_sim([]() -> rf::task<> {
        bulkhead wall({.concurrent = 1, .queue = 1});
        bool passed = false;
        auto slow = [&]() -> rf::task<int> {
            co_await rf::sleep_for(1h);
            co_return 1;
        };
        rf::cancel_scope running;
        rf::cancel_scope waiting;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { (void)co_await running.run(wall.guard(slow)); });
            all.spawn([&]() -> rf::task<> { (void)co_await waiting.run(wall.guard(slow)); });
            co_await rf::sleep_for(1ms);
            CHECK(wall.statistics().waiting == 1);
            waiting.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(wall.statistics().waiting == 0);
            all.spawn([&]() -> rf::task<> {
                auto place = co_await wall.enter();
                passed = true;
            });
            co_await rf::sleep_for(1ms);
            CHECK(!passed);
            CHECK(!wall.try_enter());
            running.cancel();
        });
        CHECK(passed);
        CHECK(wall.statistics().running == 0);
    });
}

TEST_CASE("bulkhead: a case of select that loses has taken no place") {
    run_sim([]() -> rf::task<> {
        bulkhead wall({.concurrent = 1, .queue = 5});
        {
            auto held = co_await wall.enter();
            auto won = co_await rf::select(wall.enter(), rf::sleep_for(1ms));
            CHECK(won.index() == 1);
            CHECK(wall.statistics().waiting == 0);
        }
        CHECK(wall.statistics().running == 0);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("bulkhead: what is refused is told which bulkhead is full") {
    run_sim([]() -> rf::task<> {
        bulkhead wall({.concurrent = 1, .queue = 0});
        auto held = co_await wall.enter();
        auto call = []() -> rf::task<> { co_return; };
        bool told = false;
        try {
            co_await wall.guard(call)();
        } catch (const rf::sync::bulkhead_full& full) {
            told = full.about().find("1 calls running and 0 waiting") != std::string::npos;
        }
        CHECK(told);
    });
    CHECK_THROWS_AS(bulkhead({.concurrent = 0}), std::invalid_argument);
    CHECK_THROWS_AS(bulkhead({.concurrent = 1, .queue = -1}), std::invalid_argument);
}
#endif
