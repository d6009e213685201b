// SPDX-License-Identifier: MIT
#include "json_checker.hpp"
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/snapshot.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/labels.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <string>

using namespace std::chrono_literals;
using rf::with_label;
using rf::leakcheck::leak_guard;
using rf::leakcheck::leak_suppressions;
using rf::leakcheck::snapshot_now;
using rf::test::has;
using rf::test::run_sim;

namespace {

rf::task<> sleep_long() { co_await rf::sleep_for(1h); }

rf::task<> sleep_labelled() { co_await with_label("tenant", "7 \"x\"", sleep_long); }

rf::task<> lock_twice(rf::sync::mutex& lock) {
    auto once = co_await lock.lock();
    auto again = co_await lock.lock();
}

rf::task<> lock_twice_labelled(rf::sync::mutex& lock) {
    const auto work = [&] { return lock_twice(lock); };
    co_await with_label("tenant", "7", work);
}

}  // namespace

TEST_CASE("labels: a snapshot has them, as text and as JSON") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(sleep_labelled);
            co_await rf::this_task::yield();
            const auto seen = snapshot_now();
            CHECK(has(seen.text(), "task 2 {tenant=7 \"x\"}: sleep for"));
            CHECK(has(seen.json(), R"(, "labels": {"tenant": "7 \"x\""})"));
            CHECK(rf::test::json_checker(seen.json()).valid());
            jobs.cancel();
        });
    });
}

TEST_CASE("labels: a verdict has those of its tasks") {
    run_sim([]() -> rf::task<> {
        rf::sync::mutex lock;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(lock_twice_labelled, std::ref(lock));
            co_await rf::sleep_for(1s);
            const rf::leakcheck::wait_graph graph;
            CHECK(graph.proven());
            CHECK(has(graph.report(), "task 2 {tenant=7} (spawned at"));
            jobs.cancel();
        });
    });
}

TEST_CASE("labels: a suppression allows what was left under one, by key or with its value") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& outer) -> rf::task<> {
            leak_guard nothing_else;
            outer.spawn(sleep_labelled);
            co_await rf::this_task::yield();
            const std::string left = nothing_else.findings();
            CHECK(has(left, "sleep_labelled"));
            CHECK(has(left, "    under tenant=7 \"x\"\n"));
            CHECK(has(left, " by task 2 under tenant=7"));  // the timer
            for (const char* label : {"tenant", "tenant=7 \"x\""}) {
                CAPTURE(label);
                leak_suppressions allowed;
                allowed.ignore_label(label, "this tenant is patient");
                CHECK(rf::leakcheck::verify_none(outer, &allowed) == "");
                CHECK(allowed.unused() == "");
            }
            leak_suppressions other;
            other.ignore_label("tenant=8", "another one");
            CHECK(rf::leakcheck::verify_none(outer, &other) != "");
            outer.cancel();
        });
    });
}
