// SPDX-License-Identifier: MIT
#include "combinator_work.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/race.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;
#if RF_EXCEPTIONS
using test::fail_later;
#endif
using test::later;
#if RF_EXCEPTIONS
using test::message_of;
#endif
using test::never;
using test::stubborn;
#if RF_EXCEPTIONS
using test::stubborn_failure;
#endif

#if RF_EXCEPTIONS
TEST_CASE("race_first_done: the first to end decides, by its value") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto won = co_await rf::race_first_done(fail_later("late", 20ms), later(1, 10ms));
        CHECK(won.index() == 1);
    });
    CHECK(report.status == 0);
}

TEST_CASE(
    "race_first_done: the first to end decides, by its failure, and late values are disposed of") {
    std::vector<int> disposed;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto keep = [&](int&& value) { disposed.push_back(value); };
        (void)co_await rf::race_first_done(rf::losers(keep), stubborn(1, 20ms),
                                           fail_later("early", 10ms));
    });
    CHECK(message_of(report.error) == "early");
    CHECK(disposed == std::vector<int>{1});
}
#endif

TEST_CASE("race_first_done: a loser that finished all the same goes to the disposal") {
    rf::test::run_sim([]() -> rf::task<> {
        std::vector<int> disposed;
        auto keep = [&](int&& value) { disposed.push_back(value); };
        auto won = co_await rf::race_first_done(rf::losers(keep), later(1, 10ms), stubborn(2, 20ms),
                                                never());
        CHECK(won.index() == 0);
        CHECK(disposed == std::vector{2});
    });
}

TEST_CASE("race: over a vector, the losers that finished all the same go to the disposal") {
    rf::test::run_sim([]() -> rf::task<> {
        std::vector<int> disposed;
        auto keep = [&](int&& value) { disposed.push_back(value); };
        for (const bool first_done : {false, true}) {
            disposed.clear();
            std::vector<rf::task<int>> works;
            works.push_back(stubborn(1, 30ms));
            works.push_back(later(2, 10ms));
            works.push_back(stubborn(3, 20ms));
            works.push_back(never());
            rf::task<rf::race_winner<int>> racing;
            if (first_done)
                racing = rf::race_first_done(rf::losers(keep), std::move(works));
            else
                racing = rf::race(rf::losers(keep), std::move(works));
            auto won = co_await std::move(racing);
            CHECK(won.index == 1);
            CHECK(won.value == 2);
            CHECK(disposed == std::vector{1, 3});
        }
    });
}

TEST_CASE("race_keep_all: a loser that finished all the same is kept, not disposed of") {
    rf::test::run_sim([]() -> rf::task<> {
        auto all = co_await rf::race_keep_all(later(1, 10ms), stubborn(2, 20ms), never());
        CHECK(std::get<0>(all).has_value());
        CHECK(std::get<1>(all).has_value());
        CHECK_FALSE(std::get<2>(all).has_value());
    });
}

TEST_CASE("race_first_done: cancelled from outside, it unwinds") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        const auto got = co_await rf::move_on_after(
            5ms, []() -> rf::task<> { (void)co_await rf::race_first_done(never(), never()); });
        CHECK_FALSE(got);
        std::vector<rf::task<int>> works;
        works.push_back(never());
        works.push_back(later(7, 1ms));
        auto won = co_await rf::race_first_done(std::move(works));
        CHECK(won.index == 1);
        CHECK(won.value == 7);
    });
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS
TEST_CASE("race_keep_all: keeps every value, every failure, and who was cancelled") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto all = co_await rf::race_keep_all(later(1, 10ms), stubborn(2, 20ms), never(),
                                              fail_later("early", 1ms),
                                              stubborn_failure("late", 30ms), rf::sleep_for(1h));
        REQUIRE(std::get<0>(all));
        CHECK(std::get<0>(all).take() == 1);
        REQUIRE(std::get<1>(all));
        CHECK(std::get<1>(all).take() == 2);
        CHECK(std::get<2>(all).cancelled());
        CHECK(message_of(std::get<3>(all).error()) == "early");
        CHECK(message_of(std::get<4>(all).error()) == "late");
        CHECK(std::get<5>(all).cancelled());
    });
    CHECK(report.status == 0);
}

TEST_CASE("race_keep_all: when all fail, the first failure in time is thrown") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        std::vector<rf::task<int>> works;
        works.push_back(fail_later("late", 20ms));
        works.push_back(fail_later("early", 10ms));
        (void)co_await rf::race_keep_all(std::move(works));
    });
    CHECK(message_of(report.error) == "early");
}

TEST_CASE("race_keep_all: cancelled from outside without a success, it unwinds") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        const auto got = co_await rf::move_on_after(5ms, []() -> rf::task<> {
            (void)co_await rf::race_keep_all(never(), fail_later("x", 1ms));
        });
        CHECK_FALSE(got);
        std::vector<rf::task<int>> works;
        works.push_back(later(1, 1ms));
        works.push_back(never());
        auto all = co_await rf::race_keep_all(std::move(works));
        REQUIRE(all.size() == 2);
        CHECK(all[0].take() == 1);
        CHECK(all[1].cancelled());
    });
    CHECK(report.status == 0);
}
#endif
