// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/rw_lock.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>

using namespace std::chrono_literals;
using rf::sync::rw_lock;
using rf::test::run_sim;

namespace {

/// Holds `lock` for 10 ms, and writes down that it came and went.
rf::task<> hold_shared(rw_lock& lock, std::string& log, char name) {
    auto held = co_await lock.lock_shared();
    log += name;
    co_await rf::sleep_for(10ms);
}
rf::task<> hold_alone(rw_lock& lock, std::string& log, char name) {
    auto held = co_await lock.lock();
    CHECK(lock.readers() == 0);
    log += name;
    co_await rf::sleep_for(10ms);
}

}  // namespace

TEST_CASE("rw_lock: readers hold it together, a writer alone") {
    run_sim([]() -> rf::task<> {
        rw_lock lock;
        std::size_t most = 0;
        int writers = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 30; ++i) {
                if (i % 5 == 4) {
                    all.spawn([&]() -> rf::task<> {
                        auto held = co_await lock.lock();
                        CHECK(++writers == 1);
                        CHECK(lock.readers() == 0);
                        co_await rf::sleep_for(1ms);
                        --writers;
                    });
                } else {
                    all.spawn([&]() -> rf::task<> {
                        auto held = co_await lock.lock_shared();
                        CHECK(writers == 0);
                        most = std::max(most, lock.readers());
                        co_await rf::sleep_for(1ms);
                    });
                }
            }
            co_return;
        });
        CHECK(most == 4);
        CHECK(lock.statistics().exclusive == 6);
        CHECK(lock.statistics().shared == 24);
        CHECK(lock.statistics().contended == 26);
    });
}

TEST_CASE("rw_lock: readers who come behind a waiting writer wait, and are let in together") {
    run_sim([]() -> rf::task<> {
        rw_lock lock;
        std::string log;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto mine = co_await lock.lock_shared();
            all.spawn(hold_alone, std::ref(lock), std::ref(log), 'W');
            all.spawn(hold_shared, std::ref(lock), std::ref(log), 'a');
            all.spawn(hold_shared, std::ref(lock), std::ref(log), 'b');
            all.spawn(hold_alone, std::ref(lock), std::ref(log), 'V');
            all.spawn(hold_shared, std::ref(lock), std::ref(log), 'c');
            co_await rf::sleep_for(1ms);
            CHECK(log.empty());
            CHECK(!lock.try_lock_shared());
            CHECK(lock.statistics().waiting == 5);
            mine.unlock();
            co_await rf::sleep_for(1ms);
            CHECK(log == "W");
            CHECK(lock.writer() != 0);
            co_await rf::sleep_for(10ms);
            CHECK(log == "Wab");
            CHECK(lock.readers() == 2);
        });
        CHECK(log == "WabVc");
    });
}

TEST_CASE("rw_lock: a waiting writer that is cancelled lets the readers behind it pass") {
    run_sim([]() -> rf::task<> {
        rw_lock lock;
        std::string log;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto mine = co_await lock.lock_shared();
            rf::cancel_scope scope;
            all.spawn([&]() -> rf::task<> { co_await scope.run(hold_alone(lock, log, 'W')); });
            all.spawn(hold_shared, std::ref(lock), std::ref(log), 'a');
            co_await rf::sleep_for(1ms);
            CHECK(log.empty());
            scope.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(log == "a");
            CHECK(lock.readers() == 2);
        });
        CHECK(lock.readers() == 0);
        CHECK(lock.writer() == 0);
    });
}

TEST_CASE("rw_lock: the task tree says which task writes, and how many read") {
    run_sim([]() -> rf::task<> {
        rw_lock lock;
        std::string log;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto reading = co_await lock.lock_shared();
            all.spawn(hold_alone, std::ref(lock), std::ref(log), 'W');
            co_await rf::sleep_for(1ms);
            CHECK(rf::task_tree(rf::loop::here()).find("task 1, its only reader") !=
                  std::string::npos);
            reading.unlock();
            all.spawn(hold_shared, std::ref(lock), std::ref(log), 'a');
            co_await rf::sleep_for(1ms);
            const std::string tree = rf::task_tree(rf::loop::here());
            CHECK(tree.find("rw_lock made at") != std::string::npos);
            CHECK(tree.find("which locked it at") != std::string::npos);
        });
    });
}
