// SPDX-License-Identifier: MIT
#include "cancel_each_turn.hpp"
#include "combinator_work.hpp"
#include "object_tracker.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/for_each_concurrent.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
#if RF_EXCEPTIONS
using test::message_of;
#endif

TEST_CASE("map_concurrent: results come in the order of the items, whoever ends first") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto call = [](int item) -> rf::task<std::string> {
            co_await rf::sleep_for(std::chrono::milliseconds((item * 7) % 11));
            co_return std::to_string(item);
        };
        const auto texts = co_await rf::map_concurrent(std::views::iota(0, 2000), 16, call);
        REQUIRE(texts.size() == 2000);
        bool in_order = true;
        for (std::size_t i = 0; i < texts.size(); ++i)
            in_order = in_order && texts[i] == std::to_string(i);
        CHECK(in_order);
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_peak == 17);
}

#if RF_EXCEPTIONS
TEST_CASE("map_concurrent: the first failure cancels the rest and is thrown") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto call = [](int item) -> rf::task<int> {
            co_await rf::sleep_for(std::chrono::milliseconds(item));
            if (item >= 5) throw std::runtime_error("item " + std::to_string(item));
            co_return item;
        };
        (void)co_await rf::map_concurrent(std::views::iota(0, 100), 100, call);
    });
    CHECK(message_of(report.error) == "item 5");
    CHECK(report.final.tasks_cancelled >= 94);
}
#endif

TEST_CASE("map_concurrent: results win over a cancel that comes with the last of them") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        rf::cancel_scope scope;
        auto call = [&](int item) -> rf::task<int> {
            co_await rf::sleep_for(std::chrono::milliseconds(item));
            if (item == 3) scope.cancel();
            co_return item;
        };
        const auto all =
            co_await scope.run([&] { return rf::map_concurrent(std::views::iota(1, 4), 8, call); });
        REQUIRE(all.has_value());
        CHECK(*all == std::vector<int>{1, 2, 3});
    });
    CHECK(report.status == 0);
}

TEST_CASE("map_concurrent: a cancel at any turn leaves nothing behind") {
    test::object_ledger objects;
    const int runs = test::cancel_each_turn(
        [&]() -> rf::task<> {
            auto call = [&](int turns) -> rf::task<test::tracked> {
                test::tracked mine(objects);
                co_await test::yields(turns);
                co_return mine;
            };
            (void)co_await rf::map_concurrent(std::views::iota(1, 6), 2, call);
        },
        [&](bool) { CHECK(objects.clean()); });
    CHECK(runs > 8);
}
