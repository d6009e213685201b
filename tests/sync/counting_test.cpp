// SPDX-License-Identifier: MIT
// latch, wait_group and barrier: waits for something to happen a number of times.
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/barrier.hpp>
#include <ringfence/sync/latch.hpp>
#include <ringfence/sync/wait_group.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <tests/support/death.hpp>

using namespace std::chrono_literals;
using rf::sync::barrier;
using rf::sync::latch;
using rf::sync::wait_group;
using rf::test::run_sim;

TEST_CASE("latch: opens when it has been counted down, and stays open") {
    run_sim([]() -> rf::task<> {
        latch ready(3);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            int through = 0;
            for (int i = 0; i < 2; ++i) {
                all.spawn([&]() -> rf::task<> {
                    co_await ready.wait();
                    ++through;
                });
            }
            co_await rf::sleep_for(1ms);
            CHECK(rf::task_tree(rf::loop::here()).find("(3 to go)") != std::string::npos);
            ready.count_down(2);
            co_await rf::sleep_for(1ms);
            CHECK(through == 0);
            CHECK(ready.statistics().waiting == 2);
            CHECK(ready.statistics().remaining == 1);
            ready.count_down();
            co_await rf::sleep_for(1ms);
            CHECK(through == 2);
        });
        co_await ready.wait();
        co_await latch(0).wait();
    });
}

TEST_CASE("wait_group: waits until all that was added is done, again and again") {
    run_sim([]() -> rf::task<> {
        wait_group group;
        co_await group.wait();
        for (int round = 0; round < 2; ++round) {
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                int done = 0;
                for (int i = 1; i <= 3; ++i) {
                    group.add();
                    all.spawn([&, i]() -> rf::task<> {
                        co_await rf::sleep_for(i * 1ms);
                        ++done;
                        group.done();
                    });
                }
                CHECK(group.statistics().pending == 3);
                co_await group.wait();
                CHECK(done == 3);
            });
        }
    });
}

TEST_CASE("barrier: nobody begins a round before all have ended the last") {
    run_sim([]() -> rf::task<> {
        barrier step(3);
        std::string log;
        int last = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 1; i <= 3; ++i) {
                all.spawn([&, i]() -> rf::task<> {
                    for (char round = 'a'; round < 'd'; ++round) {
                        co_await rf::sleep_for(i * 1ms);
                        log += round;
                        const bool was_last = co_await step.arrive_and_wait();
                        last += was_last ? 1 : 0;
                    }
                });
            }
            co_return;
        });
        CHECK(log == "aaabbbccc");
        CHECK(last == 3);
        CHECK(step.statistics().rounds == 3);
        CHECK(step.statistics().waiting == 0);
    });
}

TEST_CASE("barrier: a cancelled wait takes its arrival back") {
    run_sim([]() -> rf::task<> {
        barrier step(2);
        rf::cancel_scope scope;
        scope.set_timeout(1ms);
        auto arrive = [&]() -> rf::task<> { (void)co_await step.arrive_and_wait(); };
        co_await scope.run(arrive());
        CHECK(step.statistics().waiting == 0);
        auto alone = co_await rf::select(step.arrive_and_wait(), rf::sleep_for(1ms));
        CHECK(alone.index() == 1);
        CHECK(step.statistics().rounds == 0);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(arrive);
            both.spawn(arrive);
            co_return;
        });
        CHECK(step.statistics().rounds == 1);
    });
}

TEST_CASE("barrier: who drops out is not waited for, now or later") {
    run_sim([]() -> rf::task<> {
        barrier step(3);
        int through = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 2; ++i) {
                all.spawn([&]() -> rf::task<> {
                    (void)co_await step.arrive_and_wait();
                    ++through;
                    (void)co_await step.arrive_and_wait();
                    ++through;
                });
            }
            co_await rf::sleep_for(1ms);
            CHECK(through == 0);
            step.arrive_and_drop();
        });
        CHECK(through == 4);
        CHECK(step.parties() == 2);
    });
}

TEST_CASE("barrier: two cases of one select are two arrivals") {
    run_sim([]() -> rf::task<> {
        barrier step(2);
        auto won = co_await rf::select(step.arrive_and_wait(), step.arrive_and_wait());
        CHECK(won.index() < 2);
        CHECK(step.statistics().rounds == 1);
        CHECK(step.statistics().waiting == 0);
    });
}

TEST_CASE("counting: below zero is refused by name") {
    const auto latched = rf::test::run_to_death([] { latch(1).count_down(2); });
    CHECK(latched.signal == SIGABRT);
    CHECK(latched.says("latch made at "));
    CHECK(latched.says("counting_test.cpp"));
    CHECK(latched.says("more often than it has counts"));
    const auto done = rf::test::run_to_death([] { wait_group().done(); });
    CHECK(done.signal == SIGABRT);
    CHECK(done.says("more was done than was added"));
    const auto added =
        rf::test::run_to_death([] { wait_group().add(static_cast<std::size_t>(-1)); });
    CHECK(added.signal == SIGABRT);
    CHECK(added.says("negative number was added"));
    const auto dropped = rf::test::run_to_death([] {
        barrier step(1);
        step.arrive_and_drop();
        step.arrive_and_drop();
    });
    CHECK(dropped.signal == SIGABRT);
    CHECK(dropped.says("after all its parties have dropped out"));
}

#if RF_EXCEPTIONS
TEST_CASE("counting: what cannot be counted is refused") {
    CHECK_THROWS_WITH_AS(latch(static_cast<std::size_t>(-1)), doctest::Contains("count of -1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(barrier(0), doctest::Contains("barrier of 0 parties"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(barrier(static_cast<std::size_t>(-2)), doctest::Contains("of -2 parties"),
                         std::invalid_argument);
}
#endif
