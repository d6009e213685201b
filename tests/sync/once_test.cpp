// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/once.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using rf::sync::once;
using rf::test::run_sim;

TEST_CASE("once: the work is done once, and all who ask wait for it") {
    run_sim([]() -> rf::task<> {
        once loaded;
        int times = 0;
        bool ready = false;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 5; ++i) {
                all.spawn([&]() -> rf::task<> {
                    co_await loaded.call([&]() -> rf::task<> {
                        ++times;
                        co_await rf::sleep_for(1ms);
                        ready = true;
                    });
                    CHECK(ready);
                });
            }
            co_await rf::this_task::yield();
            CHECK(loaded.statistics().waiting == 4);
            const std::string tree = rf::task_tree(rf::loop::here());
            CHECK(tree.find("once made at") != std::string::npos);
            CHECK(tree.find("which began at") != std::string::npos);
        });
        CHECK(times == 1);
        CHECK(loaded.is_done());
        CHECK(loaded.statistics().attempts == 1);
        auto late = co_await loaded.begin();
        CHECK(!late);
    });
}

TEST_CASE("once: a cancelled attempt lets the oldest that waits try") {
    run_sim([]() -> rf::task<> {
        once loaded;
        std::string log;
        auto attempt = [&](char name) -> rf::task<> {
            co_await loaded.call([&]() -> rf::task<> {
                log += name;
                co_await rf::sleep_for(10ms);
                log += '.';
            });
        };
        rf::cancel_scope first;
        rf::cancel_scope second;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { co_await first.run(attempt('a')); });
            all.spawn([&]() -> rf::task<> { co_await second.run(attempt('b')); });
            all.spawn(attempt, 'c');
            all.spawn(attempt, 'd');
            co_await rf::sleep_for(1ms);
            first.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(log == "ab");
            second.cancel();
        });
        CHECK(log == "abc.");
        CHECK(loaded.statistics().attempts == 3);
    });
}

TEST_CASE("once: a turn that is given up is had again, and one that waits can be a case") {
    run_sim([]() -> rf::task<> {
        once loaded;
        {
            auto mine = co_await loaded.begin();
            CHECK(bool(mine));
            auto lost = co_await rf::select(loaded.begin(), rf::sleep_for(1ms));
            CHECK(lost.index() == 1);
            CHECK(loaded.statistics().waiting == 0);
        }
        auto again = co_await loaded.begin();
        CHECK(bool(again));
        again.finish();
        CHECK(loaded.is_done());
    });
}

#if RF_EXCEPTIONS
TEST_CASE("once: an attempt that throws fails its caller, and the next tries") {
    run_sim([]() -> rf::task<> {
        once loaded;
        bool failed = false;
        bool second = false;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                try {
                    co_await loaded.call([]() -> rf::task<> {
                        co_await rf::sleep_for(1ms);
                        throw std::runtime_error("no disk");
                    });
                } catch (const std::runtime_error&) {
                    failed = true;
                }
            });
            all.spawn([&]() -> rf::task<> {
                co_await loaded.call([&]() -> rf::task<> {
                    second = true;
                    co_return;
                });
            });
            co_return;
        });
        CHECK(failed);
        CHECK(second);
        CHECK(loaded.is_done());
    });
}
#endif
