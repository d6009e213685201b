// SPDX-License-Identifier: MIT
#include "cancel_each_turn.hpp"
#include "combinator_work.hpp"
#include "object_tracker.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/race.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;
using test::cancel_and_finish;
#if RF_EXCEPTIONS
using test::fail_later;
#endif
using test::later;
using test::make_tracked;
#if RF_EXCEPTIONS
using test::message_of;
#endif
using test::never;
using test::stubborn;

TEST_CASE("race: the first success wins and the losers are cancelled") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        const auto start = rf::clock::now();
        auto won = co_await rf::race(never(), later(std::string("second"), 10ms), later(3, 20ms));
        CHECK(won.index() == 1);
        CHECK(std::get<1>(won) == "second");
        CHECK(rf::clock::now() - start == 10ms);
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_cancelled == 2);
}

TEST_CASE("race: returns only when the losers are gone") {
    bool cleaned = false;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto slow_to_leave = [&]() -> rf::task<int> {
            co_return co_await rf::finally([] { return never(); },
                                           [&]() -> rf::task<> {
                                               co_await rf::sleep_for(50ms);
                                               cleaned = true;
                                           });
        };
        auto won = co_await rf::race(slow_to_leave, later(1, 10ms));
        CHECK(won.index() == 1);
        CHECK(cleaned);
    });
    CHECK(report.status == 0);
}

TEST_CASE("race: a racer that ends before the others have started wins without running them") {
    bool ran = false;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto second = [&]() -> rf::task<> {
            ran = true;
            co_return;
        };
        auto first = []() -> rf::task<> { co_return; };
        auto won = co_await rf::race(first, second);
        CHECK(won.index() == 0);
    });
    CHECK_FALSE(ran);
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS
TEST_CASE("race: a failing racer is out, the others go on") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        std::vector<rf::child_failure> failures;
        auto won = co_await rf::race(rf::losers().report_to(failures), fail_later("out", 1ms),
                                     later(2, 20ms), fail_later("out too", 2ms));
        CHECK(won.index() == 1);
        REQUIRE(failures.size() == 2);
        CHECK(message_of(failures[0].error) == "out");
        CHECK(message_of(failures[1].error) == "out too");
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_failed == 2);
}

TEST_CASE("race: when all fail, the first failure in time is thrown") {
    std::vector<rf::child_failure> failures;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        (void)co_await rf::race(rf::losers().report_to(failures), fail_later("third", 30ms),
                                fail_later("first", 10ms), fail_later("second", 20ms));
    });
    CHECK(message_of(report.error) == "first");
    CHECK(failures.size() == 3);
}

TEST_CASE("race: a callable that throws in place of returning a task is a failed racer") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto broken = []() -> rf::task<int> { throw std::runtime_error("broken"); };
        auto won = co_await rf::race(broken, later(2, 10ms));
        CHECK(won.index() == 1);
        (void)co_await rf::race(broken);
    });
    CHECK(message_of(report.error) == "broken");
}
#endif

TEST_CASE("race: a loser that finished all the same goes to the disposal") {
    std::vector<int> disposed;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto keep = [&](int&& value) { disposed.push_back(value); };
        auto won = co_await rf::race(rf::losers(keep), stubborn(1, 20ms), later(2, 10ms),
                                     stubborn(3, 30ms), never());
        CHECK(won.index() == 1);
        CHECK(disposed == std::vector<int>{1, 3});
    });
    CHECK(report.status == 0);
}

TEST_CASE("race: without a disposal the value of a late loser is destroyed") {
    test::object_ledger objects;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto slow = [&]() -> rf::task<test::tracked> {
            co_return co_await rf::shield(1s, make_tracked(objects, 3));
        };
        auto won = co_await rf::race(slow, test::yields(1));
        CHECK(won.index() == 1);
        CHECK(objects.clean());
    });
    CHECK(objects.made > 0);
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS
TEST_CASE("race: cancelled from outside, it cancels all, waits and unwinds") {
    test::object_ledger objects;
    bool went_on = false;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto hold = [&]() -> rf::task<> {
            test::tracked mine(objects);
            co_await rf::sleep_forever();
        };
        auto body = [&]() -> rf::task<> {
            (void)co_await rf::race(hold, fail_later("out", 1ms), hold);
            went_on = true;
        };
        const bool finished = co_await rf::move_on_after(10ms, body);
        CHECK_FALSE(finished);
        CHECK(objects.clean());
    });
    CHECK_FALSE(went_on);
    CHECK(report.status == 0);
}
#endif

TEST_CASE("race: a success wins over a cancel that comes too late") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        rf::cancel_scope scope;
        const auto got = co_await scope.run([&]() -> rf::task<std::size_t> {
            auto won = co_await rf::race(never(), cancel_and_finish(scope, 2));
            co_return won.index();
        });
        REQUIRE(got.has_value());
        CHECK(*got == 1);
    });
    CHECK(report.status == 0);
}

TEST_CASE("race: a cancel at any turn leaves nothing behind") {
    test::object_ledger objects;
    const int runs = test::cancel_each_turn(
        [&]() -> rf::task<> {
            (void)co_await rf::race(make_tracked(objects, 9),
                                    [&] { return make_tracked(objects, 6); });
        },
        [&](bool) { CHECK(objects.clean()); });
    CHECK(runs > 4);
}

TEST_CASE("race: over a vector it gives the index and the value") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        std::vector<std::function<rf::task<int>()>> works;
        for (int i = 0; i < 3000; ++i)
            works.emplace_back([i] { return later(i, std::chrono::milliseconds(5000 - i)); });
        auto won = co_await rf::race(std::move(works));
        CHECK(won.index == 2999);
        CHECK(won.value == 2999);
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_cancelled == 2999);
}

#if RF_EXCEPTIONS
TEST_CASE("race: over an empty vector it is refused") {
    const auto report = rf::test::report_sim(
        {}, []() -> rf::task<> { (void)co_await rf::race(std::vector<rf::task<int>>()); });
    CHECK(message_of(report.error).find("at least one racer") != std::string::npos);
}
#endif
