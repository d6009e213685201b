// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <tests/runtime/sim_report.hpp>
#include <vector>

using namespace std::chrono_literals;

namespace {

rf::task<> nap(std::chrono::milliseconds span) { co_await rf::sleep_for(span); }

}  // namespace

TEST_CASE("nursery limit: spawn_when_free keeps to the limit, in the order of asking") {
    int live = 0;
    int most = 0;
    std::vector<int> order;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery({.limit = 3}, [&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 20; ++i)
                co_await jobs.spawn_when_free(
                    [&](int which) -> rf::task<> {
                        order.push_back(which);
                        most = std::max(most, ++live);
                        co_await rf::sleep_for(std::chrono::milliseconds(20 - which));
                        --live;
                    },
                    i);
        });
    });
    CHECK(report.status == 0);
    CHECK(most == 3);
    REQUIRE(order.size() == 20);
    CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("nursery limit: try_spawn tells that there is no place, and starts nothing") {
    const auto report = test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.limit = 1}, [](rf::nursery& jobs) -> rf::task<> {
            CHECK(jobs.try_spawn(nap, 1ms));
            CHECK_FALSE(jobs.try_spawn(nap, 1ms));
            CHECK(jobs.statistics().started == 1);
            co_await rf::sleep_for(2ms);
            CHECK(jobs.try_spawn(nap, 1ms));
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("nursery limit: those who wait for a place are not overtaken") {
    const auto report = test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& outer) -> rf::task<> {
            co_await rf::with_nursery({.limit = 1}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(nap, 5ms);
                outer.spawn([&jobs]() -> rf::task<> {
                    co_await jobs.spawn_when_free(nap, 5ms);
                    CHECK(jobs.size() == 1);
                });
                co_await rf::sleep_for(1ms);
                CHECK(jobs.statistics().waiting_to_spawn == 1);
                co_await rf::sleep_for(5ms);
                CHECK_FALSE(jobs.try_spawn(nap, 1ms));
                CHECK(jobs.statistics().started == 2);
            });
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("nursery limit: a cancelled spawn_when_free has started nothing and holds no place") {
    const auto report = test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.limit = 1}, [](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(nap, 10ms);
            const bool spawned = co_await rf::move_on_after(
                1ms, [&]() -> rf::task<> { co_await jobs.spawn_when_free(nap, 10ms); });
            CHECK_FALSE(spawned);
            CHECK(jobs.statistics().waiting_to_spawn == 0);
            CHECK(jobs.statistics().started == 1);
            co_await jobs.spawn_when_free(nap, 1ms);
            CHECK(jobs.statistics().started == 2);
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("nursery limit: services take no place") {
    const auto report = test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.limit = 1}, [](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn_service([]() -> rf::task<> { co_await rf::sleep_forever(); });
            CHECK(jobs.try_spawn(nap, 1ms));
            co_return;
        });
    });
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS

TEST_CASE("nursery limit: spawn at the limit throws and says what to do") {
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery({.limit = 2}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(nap, 1ms);
            jobs.spawn(nap, 1ms);
            try {
                jobs.spawn(nap, 1ms);
            } catch (const rf::nursery_full& full) {
                text = full.what();
            }
            CHECK(jobs.size() == 2);
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(text.find("nursery at its limit of 2 children") != text.npos);
    CHECK(text.find("nursery_limit_test.cpp:") != text.npos);
    CHECK(text.find("co_await spawn_when_free(...)") != text.npos);
}

TEST_CASE("nursery limit: a waiter that cannot start its child leaves its place to the next") {
    int started = 0;
    int refused = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& outer) -> rf::task<> {
            co_await rf::with_nursery({.limit = 1}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(nap, 5ms);
                outer.spawn([&]() -> rf::task<> {
                    try {
                        co_await jobs.spawn_when_free(
                            []() -> rf::task<> { throw std::bad_alloc(); });
                    } catch (const std::bad_alloc&) {
                        ++refused;
                    }
                });
                co_await rf::sleep_for(1ms);
                co_await jobs.spawn_when_free([&]() -> rf::task<> {
                    ++started;
                    co_return;
                });
            });
        });
    });
    CHECK(report.deadlock == "");
    CHECK(report.status == 0);
    CHECK(refused == 1);
    CHECK(started == 1);
}

TEST_CASE("nursery limit: those who wait for a place when it drains are told") {
    int refused = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& outer) -> rf::task<> {
            co_await rf::with_nursery({.limit = 1}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(nap, 5ms);
                for (int i = 0; i < 3; ++i)
                    outer.spawn([&]() -> rf::task<> {
                        try {
                            co_await jobs.spawn_when_free(nap, 1ms);
                        } catch (const rf::nursery_closed&) {
                            ++refused;
                        }
                    });
                co_await rf::sleep_for(1ms);
                jobs.drain(1s);
            });
        });
    });
    CHECK(report.status == 0);
    CHECK(refused == 3);
}

#endif
