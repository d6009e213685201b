// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/condition.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <string>
#include <tests/support/death.hpp>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::condition;
using rf::sync::mutex;
using rf::sync::mutex_guard;
using rf::test::run_sim;

namespace {

struct monitor {
    mutex lock;
    condition changed;
    std::string log;
};

rf::task<> wait_once(monitor& on, char name) {
    auto held = co_await on.lock.lock();
    co_await on.changed.wait(held);
    CHECK(bool(held));
    CHECK(on.lock.is_locked());
    on.log += name;
    co_await rf::sleep_for(1ms);
    on.log += '.';
}

}  // namespace

TEST_CASE("condition: notify_one wakes the oldest, notify_all the rest, one at a time") {
    run_sim([]() -> rf::task<> {
        monitor on;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (const char name : {'a', 'b', 'c', 'd'})
                all.spawn(wait_once, std::ref(on), name);
            co_await rf::sleep_for(1ms);
            CHECK(on.changed.statistics().waiting == 4);
            CHECK(!on.lock.is_locked());
            on.changed.notify_one();
            co_await rf::sleep_for(10ms);
            CHECK(on.log == "a.");
            on.changed.notify_all();
            CHECK(on.changed.statistics().waiting == 0);
            CHECK(on.changed.statistics().returning == 3);
        });
        CHECK(on.log == "a.b.c.d.");
        CHECK(on.changed.statistics().notified == 4);
        CHECK(on.changed.statistics().returning == 0);
        on.changed.notify_one();
        CHECK(on.changed.statistics().notified == 4);
    });
}

TEST_CASE("condition: who was notified has a place in the mutex's line from then on") {
    run_sim([]() -> rf::task<> {
        monitor on;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(wait_once, std::ref(on), 'a');
            co_await rf::sleep_for(1ms);
            auto mine = co_await on.lock.lock();
            on.changed.notify_one();
            CHECK(on.lock.statistics().waiting == 1);
            all.spawn([&]() -> rf::task<> {
                auto held = co_await on.lock.lock();
                on.log += 'n';
            });
            co_await rf::sleep_for(1ms);
            CHECK(on.log.empty());
        });
        CHECK(on.log == "a.n");
    });
}

TEST_CASE("condition: with a predicate it returns once that holds, under the mutex") {
    run_sim([]() -> rf::task<> {
        monitor on;
        std::deque<int> jobs;
        std::vector<int> done;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                for (int i = 0; i < 5; ++i) {
                    auto held = co_await on.lock.lock();
                    co_await on.changed.wait(held, [&] {
                        CHECK(on.lock.is_locked());
                        return !jobs.empty();
                    });
                    done.push_back(jobs.front());
                    jobs.pop_front();
                }
            });
            co_await rf::sleep_for(1ms);
            on.changed.notify_all();  // for nothing
            for (int i = 0; i < 5; ++i) {
                auto held = co_await on.lock.lock();
                jobs.push_back(i);
                if (i % 2 == 0) on.changed.notify_one();
            }
        });
        CHECK(done == std::vector{0, 1, 2, 3, 4});
    });
}

TEST_CASE("condition: a cancelled wait leaves the guard empty, before and after it was notified") {
    run_sim([]() -> rf::task<> {
        monitor on;
        mutex_guard held = co_await on.lock.lock();
        rf::cancel_scope waits;
        waits.set_timeout(1ms);
        auto work = [&]() -> rf::task<> { co_await on.changed.wait(held); };
        co_await waits.run(work());
        CHECK(!held);
        CHECK(!on.lock.is_locked());
        CHECK(on.changed.statistics().waiting == 0);

        held = co_await on.lock.lock();
        rf::cancel_scope returns;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> { co_await returns.run(work()); });
            co_await rf::sleep_for(1ms);
            auto mine = co_await on.lock.lock();
            on.changed.notify_one();
            returns.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(on.lock.statistics().waiting == 0);
            CHECK(on.changed.statistics().returning == 0);
        });
        CHECK(!held);

        held = co_await on.lock.lock();
        rf::cancel_scope before;
        before.cancel();
        co_await before.run(work());
        CHECK(!held);
        CHECK(!on.lock.is_locked());
    });
}

TEST_CASE("condition: a notification whose task is cancelled on the way goes to the next") {
    run_sim([]() -> rf::task<> {
        monitor on;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            rf::cancel_scope first;
            both.spawn([&]() -> rf::task<> { co_await first.run(wait_once(on, 'a')); });
            both.spawn(wait_once, std::ref(on), 'b');
            co_await rf::sleep_for(1ms);
            auto mine = co_await on.lock.lock();
            on.changed.notify_one();
            first.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(on.changed.statistics().waiting == 0);
        });
        CHECK(on.log == "b.");
    });
}

TEST_CASE("condition: one that was given the mutex and is cancelled then has it") {
    run_sim([]() -> rf::task<> {
        monitor on;
        bool had = false;
        rf::cancel_scope scope;
        auto work = [&]() -> rf::task<> {
            auto held = co_await on.lock.lock();
            co_await on.changed.wait(held);
            had = bool(held);
        };
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> { co_await scope.run(work()); });
            co_await rf::sleep_for(1ms);
            on.changed.notify_one();
            scope.cancel();
        });
        CHECK(had);
        CHECK(!on.lock.is_locked());
    });
}

TEST_CASE("condition: the task tree tells who waits to be notified from who waits for the mutex") {
    run_sim([]() -> rf::task<> {
        monitor on;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(wait_once, std::ref(on), 'a');
            co_await rf::sleep_for(1ms);
            CHECK(rf::task_tree(rf::loop::here()).find("to be notified") != std::string::npos);
            auto mine = co_await on.lock.lock();
            on.changed.notify_one();
            CHECK(rf::task_tree(rf::loop::here()).find("to be unlocked") != std::string::npos);
        });
    });
}

TEST_CASE("condition: waiting with an empty guard, or with two mutexes, aborts by name") {
    const auto empty = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            condition changed;
            mutex_guard none;
            co_await changed.wait(none);
        });
    });
    CHECK(empty.signal == SIGABRT);
    CHECK(empty.says("condition made at "));
    CHECK(empty.says("a guard that holds no mutex"));
    const auto two = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            monitor on;
            mutex other;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn(wait_once, std::ref(on), 'a');
                co_await rf::sleep_for(1ms);
                auto held = co_await other.lock();
                co_await on.changed.wait(held);
            });
        });
    });
    CHECK(two.signal == SIGABRT);
    CHECK(two.says("with different mutexes"));
}
