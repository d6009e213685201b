// SPDX-License-Identifier: MIT
#include "cancel_each_turn.hpp"
#include "combinator_work.hpp"
#include "object_tracker.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/when_all.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
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
using strings = std::vector<std::string>;

namespace {

rf::task<int&> reference_to(int& it) { co_return it; }

}  // namespace

TEST_CASE("when_all: results come in the order of the arguments, whoever ends first") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto all = co_await rf::when_all(later(1, 30ms), later(std::string("two"), 10ms),
                                         [] { return later(3.0, 20ms); });
        CHECK(std::get<0>(all) == 1);
        CHECK(std::get<1>(all) == "two");
        CHECK(std::get<2>(all) == 3.0);
    });
    CHECK(report.status == 0);
}

TEST_CASE("when_all: the work runs at the same time") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        const auto start = rf::clock::now();
        (void)co_await rf::when_all(rf::sleep_for(30ms), rf::sleep_for(40ms), rf::sleep_for(20ms));
        CHECK(rf::clock::now() - start == 40ms);
    });
    CHECK(report.status == 0);
}

TEST_CASE("when_all: void is rf::unit, a reference stays one") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        int number = 1;
        auto all = co_await rf::when_all(rf::sleep_for(1ms), reference_to(number));
        static_assert(std::is_same_v<std::tuple_element_t<0, decltype(all)>, rf::unit>);
        std::get<1>(all).get() = 2;
        CHECK(number == 2);
    });
    CHECK(report.status == 0);
}

TEST_CASE("when_all: results that can only be moved are moved") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto make = [](int value) -> rf::task<std::unique_ptr<int>> {
            co_await rf::this_task::yield();
            co_return std::make_unique<int>(value);
        };
        auto all = co_await rf::when_all(make(1), make(2));
        CHECK(*std::get<0>(all) + *std::get<1>(all) == 3);
    });
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS
TEST_CASE(
    "when_all: the first failure in time cancels the others and is thrown when they are gone") {
    strings seen;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto leave_slowly = [&]() -> rf::task<> {
            (void)co_await rf::finally([] { return never(); },
                                       []() -> rf::task<> { co_await rf::sleep_for(100ms); });
        };
        const auto start = rf::clock::now();
        try {
            (void)co_await rf::when_all(fail_later("late", 20ms), fail_later("early", 10ms),
                                        leave_slowly);
            seen.push_back("no failure");
        } catch (const std::runtime_error& error) {
            seen.push_back(error.what());
        }
        CHECK(rf::clock::now() - start == 110ms);
    });
    CHECK(seen == strings{"early"});
    CHECK(report.status == 0);
}

TEST_CASE("when_all: a callable that throws in place of returning a task fails the call") {
    bool ran = false;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto first = [&]() -> rf::task<> {
            ran = true;
            co_return;
        };
        auto broken = []() -> rf::task<> { throw std::runtime_error("broken"); };
        (void)co_await rf::when_all(first, broken);
    });
    CHECK_FALSE(ran);
    CHECK(message_of(report.error) == "broken");
}
#endif

TEST_CASE("when_all: cancelled from outside, it unwinds when all are gone") {
    test::object_ledger objects;
    bool went_on = false;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto hold = [&]() -> rf::task<> {
            test::tracked mine(objects);
            co_await rf::sleep_forever();
        };
        auto body = [&]() -> rf::task<> {
            (void)co_await rf::when_all(hold, hold);
            went_on = true;
        };
        const bool finished = co_await rf::move_on_after(10ms, body);
        CHECK_FALSE(finished);
        CHECK(objects.clean());
        CHECK(objects.made == 2);
    });
    CHECK_FALSE(went_on);
    CHECK(report.status == 0);
}

TEST_CASE("when_all: a vector that is cancelled from outside unwinds when all are gone") {
    bool went_on = false;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto body = [&]() -> rf::task<> {
            std::vector<rf::task<int>> works;
            works.push_back(later(1, 1ms));
            works.push_back(never());
            (void)co_await rf::when_all(std::move(works));
            went_on = true;
        };
        (void)co_await rf::move_on_after(10ms, body);
    });
    CHECK_FALSE(went_on);
    CHECK(report.final.tasks_cancelled == 1);
}

TEST_CASE("when_all: results win over a cancel that comes too late") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        rf::cancel_scope scope;
        const auto sum = co_await scope.run([&]() -> rf::task<int> {
            auto all = co_await rf::when_all(later(1, 1ms), cancel_and_finish(scope, 2));
            co_return std::get<0>(all) + std::get<1>(all);
        });
        REQUIRE(sum.has_value());
        CHECK(*sum == 3);
    });
    CHECK(report.status == 0);
}

TEST_CASE("when_all: with nothing to run it is a cancel point all the same") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        (void)co_await rf::when_all();
        const auto none = co_await rf::when_all(std::vector<rf::task<int>>());
        CHECK(none.empty());
        rf::cancel_scope scope;
        scope.cancel();
        const bool with_tuple =
            co_await scope.run([]() -> rf::task<> { (void)co_await rf::when_all(); });
        CHECK_FALSE(with_tuple);
    });
    CHECK(report.status == 0);
}

TEST_CASE("when_all: in a cancelled scope nothing is run") {
    bool ran = false;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        rf::cancel_scope scope;
        scope.cancel();
        auto work = [&]() -> rf::task<> {
            ran = true;
            co_return;
        };
        const bool finished =
            co_await scope.run([&]() -> rf::task<> { (void)co_await rf::when_all(work, work); });
        CHECK_FALSE(finished);
    });
    CHECK_FALSE(ran);
    CHECK(report.status == 0);
}

TEST_CASE("when_all: a cancel at any turn leaves nothing behind") {
    test::object_ledger objects;
    const int runs = test::cancel_each_turn(
        [&]() -> rf::task<> {
            (void)co_await rf::when_all(make_tracked(objects, 5), make_tracked(objects, 2),
                                        [&] { return make_tracked(objects, 8); });
        },
        [&](bool) { CHECK(objects.clean()); });
    CHECK(runs > 5);
}

TEST_CASE("when_all: a vector of 5000 tasks gives 5000 results in order") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        std::vector<rf::task<int>> works;
        for (int i = 0; i < 5000; ++i)
            works.push_back(later(i, std::chrono::milliseconds(i % 7)));
        const std::vector<int> all = co_await rf::when_all(std::move(works));
        REQUIRE(all.size() == 5000);
        bool in_order = true;
        for (int i = 0; i < 5000; ++i)
            in_order = in_order && all[static_cast<std::size_t>(i)] == i;
        CHECK(in_order);
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_peak >= 5000);
}

#if RF_EXCEPTIONS
TEST_CASE("when_all: one failure among 1000 cancels the 999") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        std::vector<std::function<rf::task<int>()>> works;
        for (int i = 0; i < 999; ++i)
            works.emplace_back([] { return later(1, std::chrono::hours(1)); });
        works.emplace_back([] { return fail_later("one", 1ms); });
        (void)co_await rf::when_all(std::move(works));
    });
    CHECK(message_of(report.error) == "one");
    CHECK(report.final.tasks_cancelled == 999);
}
#endif

TEST_CASE("when_all: the task tree shows it at the line that awaits it") {
    std::string tree;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto look = [&]() -> rf::task<> {
            co_await rf::this_task::yield();
            tree = rf::task_tree(*rf::loop::current());
        };
        (void)co_await rf::when_all(rf::sleep_for(1ms), look);
    });
    CHECK(report.status == 0);
    CHECK(tree.find("nursery \"when_all\", 2 alive") != tree.npos);
    CHECK(tree.find("when_all_test.cpp") != tree.npos);
}
