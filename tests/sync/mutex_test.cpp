// SPDX-License-Identifier: MIT
// Its laws as a lock are in lock_laws_test.cpp.
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using rf::sync::mutex;
using rf::test::run_sim;

TEST_CASE("mutex: the task tree says who holds it and where it was locked") {
    run_sim([]() -> rf::task<> {
        mutex lock;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto mine = co_await lock.lock();
            all.spawn([&]() -> rf::task<> { auto held = co_await lock.lock(); });
            co_await rf::sleep_for(1ms);
            const std::string tree = rf::task_tree(rf::loop::here());
            CHECK(tree.find("mutex made at") != std::string::npos);
            CHECK(tree.find("which locked it at") != std::string::npos);
        });
    });
}
