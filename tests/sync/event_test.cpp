// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::auto_event;
using rf::sync::event;
using rf::test::run_sim;

TEST_CASE("event: set lets everybody through, oldest first, until it is reset") {
    run_sim([]() -> rf::task<> {
        event ready;
        std::vector<int> order;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 3; ++i) {
                all.spawn([&, i]() -> rf::task<> {
                    co_await ready.wait();
                    order.push_back(i);
                });
            }
            co_await rf::sleep_for(1ms);
            CHECK(ready.statistics().waiting == 3);
            ready.set();
            ready.reset();
        });
        CHECK(order == std::vector{0, 1, 2});
        ready.set();
        co_await ready.wait();
        ready.reset();
        auto won = co_await rf::select(ready.wait(), rf::sleep_for(1ms));
        CHECK(won.index() == 1);
        CHECK(ready.statistics().waiting == 0);
    });
}

TEST_CASE("event: two cases of one select on it count as one") {
    run_sim([]() -> rf::task<> {
        event ready;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select(ready.wait(), ready.wait());
                CHECK(won.index() == 0);
            });
            co_await rf::sleep_for(1ms);
            CHECK(ready.statistics().waiting == 2);
            ready.set();
            CHECK(ready.statistics().waiting == 0);
        });
    });
}

TEST_CASE("auto_event: each set lets one through, and one is kept") {
    run_sim([]() -> rf::task<> {
        auto_event gate;
        int passed = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 3; ++i) {
                all.spawn([&]() -> rf::task<> {
                    co_await gate.wait();
                    ++passed;
                });
            }
            co_await rf::sleep_for(1ms);
            gate.set();
            co_await rf::sleep_for(1ms);
            CHECK(passed == 1);
            gate.set();
            gate.set();
            gate.set();
            co_await rf::sleep_for(1ms);
            CHECK(passed == 3);
            CHECK(gate.try_wait());
            CHECK(!gate.try_wait());
        });
    });
}

TEST_CASE("event: one that std::make_shared made does not claim to be made in its header") {
    rf::test::run_sim([]() -> rf::task<> {
        const auto shared = std::make_shared<rf::sync::event>();
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> { co_await shared->wait(); });
            co_await rf::this_task::yield();
            const std::string tree = rf::task_tree(rf::loop::here());
            INFO(tree);
            CHECK(tree.find("event made by a function of the standard library to be set") !=
                  tree.npos);
            jobs.cancel();
        });
    });
}
