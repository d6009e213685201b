// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/single_flight.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using rf::test::run_sim;
using flights_by_name = rf::sync::single_flight<std::string, int>;

TEST_CASE("single_flight: concurrent calls with one key run once, and nothing is remembered") {
    run_sim([]() -> rf::task<> {
        flights_by_name flights;
        int runs = 0;
        int sum = 0;
        auto load = [&]() -> rf::task<int> {
            co_await rf::sleep_for(10ms);
            co_return ++runs;
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 5; ++i)
                all.spawn([&]() -> rf::task<> { sum += co_await flights.run("a", load); });
            co_await rf::sleep_for(1ms);
            CHECK(flights.statistics().flights == 1);
        });
        CHECK(runs == 1);
        CHECK(sum == 5);
        CHECK(flights.statistics().flights == 0);
        CHECK(flights.statistics().shared == 4);
        const int again = co_await flights.run("a", load);
        CHECK(again == 2);
    });
}

TEST_CASE("single_flight: calls with other keys run beside it") {
    run_sim([]() -> rf::task<> {
        flights_by_name flights;
        rf::test::stopwatch watch;
        auto load = [&]() -> rf::task<int> {
            co_await rf::sleep_for(10ms);
            co_return 1;
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { (void)co_await flights.run("a", load); });
            all.spawn([&]() -> rf::task<> { (void)co_await flights.run("b", load); });
            co_return;
        });
        CHECK(watch.elapsed() == 10ms);
        CHECK(flights.statistics().executed == 2);
    });
}

TEST_CASE("single_flight: when the one that runs is cancelled, one that waits takes over") {
    run_sim([]() -> rf::task<> {
        flights_by_name flights;
        int begun = 0;
        int got = 0;
        auto load = [&]() -> rf::task<int> {
            ++begun;
            co_await rf::sleep_for(10ms);
            co_return 7;
        };
        rf::cancel_scope first;
        rf::cancel_scope second;
        auto call = [&]() -> rf::task<> { got += co_await flights.run("a", load); };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { co_await first.run(call); });
            all.spawn([&]() -> rf::task<> { co_await second.run(call); });
            all.spawn(std::ref(call));
            all.spawn(std::ref(call));
            co_await rf::sleep_for(5ms);
            second.cancel();  // one that waits, alone
            co_await rf::sleep_for(1ms);
            first.cancel();
        });
        CHECK(begun == 2);
        CHECK(got == 14);
        CHECK(flights.statistics().taken_over == 1);
        CHECK(flights.statistics().flights == 0);
    });
}

TEST_CASE("single_flight: cancelled together, its calls leave nothing behind") {
    run_sim([]() -> rf::task<> {
        flights_by_name flights;
        int begun = 0;
        auto load = [&]() -> rf::task<int> {
            ++begun;
            co_await rf::sleep_for(1h);
            co_return 7;
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 3; ++i)
                all.spawn([&]() -> rf::task<> { (void)co_await flights.run("a", load); });
            co_await rf::sleep_for(1ms);
            all.cancel();
        });
        CHECK(begun == 1);
        CHECK(flights.statistics().flights == 0);
    });
}

TEST_CASE("single_flight: what is forgotten is shared by those before, and begun anew after") {
    run_sim([]() -> rf::task<> {
        flights_by_name flights;
        int begun = 0;
        std::string told;
        auto load = [&](const flights_by_name::flight& own) -> rf::task<int> {
            const int number = ++begun;
            co_await rf::sleep_for(10ms);
            told += std::to_string(number) + (own.forgotten() ? "forgotten " : "kept ");
            co_return number;
        };
        int sum = 0;
        auto call = [&]() -> rf::task<> { sum += co_await flights.run("a", load); };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(std::ref(call));
            all.spawn(std::ref(call));
            co_await rf::sleep_for(1ms);
            flights.forget("a");
            flights.forget("b");
            all.spawn(std::ref(call));
            co_await rf::sleep_for(1ms);
            CHECK(flights.statistics().flights == 2);
            CHECK(flights.statistics().waiting == 1);
            co_await rf::sleep_for(8500us);  // the first has ended, the second has not
            CHECK(flights.statistics().flights == 1);
            all.spawn(std::ref(call));
        });
        CHECK(sum == 1 + 1 + 2 + 2);
        CHECK(told == "1forgotten 2kept ");
        CHECK(flights.statistics().flights == 0);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("single_flight: a failure is everybody's") {
    run_sim([]() -> rf::task<> {
        flights_by_name flights;
        int failed = 0;
        auto load = [&]() -> rf::task<int> {
            co_await rf::sleep_for(1ms);
            throw std::runtime_error("down");
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 3; ++i) {
                all.spawn([&]() -> rf::task<> {
                    try {
                        (void)co_await flights.run("a", load);
                    } catch (const std::runtime_error&) {
                        ++failed;
                    }
                });
            }
            co_return;
        });
        CHECK(failed == 3);
        CHECK(flights.statistics().executed == 1);
    });
}
#endif
