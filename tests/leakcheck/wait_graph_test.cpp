// SPDX-License-Identifier: MIT
#include "graph_looks.hpp"
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/rw_lock.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::verdict;
using rf::leakcheck::wait_finding;
using rf::leakcheck::wait_graph;
using rf::leakcheck::wait_graph_options;
using rf::test::count_of;
using rf::test::final_look;
using rf::test::has;
using rf::test::look_at;

namespace {

rf::task<> lock_both(rf::sync::mutex& first, rf::sync::mutex& second, const char* name) {
    rf::this_task::set_name(name);
    auto one = co_await first.lock();
    co_await rf::this_task::yield();
    auto two = co_await second.lock();
}

rf::task<> lock_one(rf::sync::mutex& wanted) { auto held = co_await wanted.lock(); }

rf::task<> wait_for(rf::sync::event& what) { co_await what.wait(); }

rf::task<> keep_guard(rf::sync::mutex& wanted, rf::sync::mutex_guard& kept) {
    kept = co_await wanted.lock();
}

rf::task<> read_twice(rf::sync::rw_lock& table) {
    auto once = co_await table.lock_shared();
    co_await rf::sleep_for(100ms);
    auto again = co_await table.lock_shared();  // behind a writer that came between
}
rf::task<> read_then_write(rf::sync::rw_lock& table) {
    auto reading = co_await table.lock_shared();
    auto writing = co_await table.lock();
}
rf::task<> write_later(rf::sync::rw_lock& table) {
    co_await rf::sleep_for(50ms);
    auto writing = co_await table.lock();
}
rf::task<> read_and_sleep(rf::sync::rw_lock& table, std::chrono::seconds how_long) {
    auto reading = co_await table.lock_shared();
    co_await rf::sleep_for(how_long);
}

}  // namespace

TEST_CASE("wait_graph: two tasks that lock in opposite order are a proven cycle in its order") {
    rf::sync::mutex a;
    rf::sync::mutex b;
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(lock_both, std::ref(a), std::ref(b), "left");
            jobs.spawn(lock_both, std::ref(b), std::ref(a), "right");
        },
        [] {
            const wait_graph graph;
            REQUIRE(graph.findings().size() == 1);
            const wait_finding& found = graph.findings().front();
            CHECK(found.what == verdict::cycle);
            CHECK(found.proof());
            CHECK(found.tasks.size() == 2);
            CHECK(found.age == 1s);
            CHECK(graph.stuck() == 2);
            const std::string text = graph.report();
            CHECK(has(text, "PROVEN cycle: 2 tasks wait for each other"));
            CHECK(has(text, "\"left\""));
            CHECK(has(text, "\"right\""));
            CHECK(has(text, "waits 1.0 s: lock for mutex made at"));
            CHECK(has(text, "wait_graph_test.cpp:"));
            CHECK(has(text, "in (anonymous namespace)::lock_both") !=
                  has(text, "in {anonymous}::lock_both"));
            CHECK(has(text, "advice: take these in the same order"));
        });
}

TEST_CASE("wait_graph: who waits behind a cycle is listed and not accused") {
    rf::sync::mutex a;
    rf::sync::mutex b;
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(lock_both, std::ref(a), std::ref(b), "left");
            jobs.spawn(lock_both, std::ref(b), std::ref(a), "right");
            jobs.spawn(lock_one, std::ref(a));
        },
        [] {
            const wait_graph graph;
            REQUIRE(graph.findings().size() == 1);
            CHECK(graph.findings().front().tasks.size() == 2);
            CHECK(graph.stuck() == 3);
            CHECK(has(graph.report(), "1 more task waits behind"));
            CHECK_FALSE(has(graph.findings().front().text, "lock_one"));
            CHECK(has(graph.report(), "lock_one"));  // named all the same, with its line
        });
}

TEST_CASE("wait_graph: a task that locks what it holds waits for itself") {
    rf::sync::mutex a;
    look_at([&](rf::nursery& jobs) { jobs.spawn(lock_both, std::ref(a), std::ref(a), "twice"); },
            [] {
                const wait_graph graph;
                REQUIRE(count_of(graph, verdict::cycle) == 1);
                CHECK(graph.findings().front().tasks.size() == 1);
                CHECK(has(graph.report(), "a task waits for itself"));
                CHECK(has(graph.report(), "locks are not recursive"));
            });
}

TEST_CASE("wait_graph: a join and a lock make a cycle of parent and child") {
    rf::sync::mutex a;
    auto parent = [](rf::sync::mutex& lock) -> rf::task<> {
        auto held = co_await lock.lock();
        co_await rf::with_nursery([&](rf::nursery& children) -> rf::task<> {
            children.spawn(lock_one, std::ref(lock));
            co_return;
        });
    };
    look_at([&](rf::nursery& jobs) { jobs.spawn(parent, std::ref(a)); },
            [] {
                const wait_graph graph;
                REQUIRE(count_of(graph, verdict::cycle) == 1);
                CHECK(graph.findings().front().tasks.size() == 2);
                CHECK(has(graph.report(), "let go before the nursery ends"));
            });
}

TEST_CASE("wait_graph: a join is alive as long as all children are") {
    rf::sync::mutex a;
    auto parent = [](rf::sync::mutex& lock) -> rf::task<> {
        auto held = co_await lock.lock();
        co_await rf::with_nursery([&](rf::nursery& children) -> rf::task<> {
            children.spawn([]() -> rf::task<> { co_await rf::sleep_for(1h); });
            co_return;
        });
    };
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(parent, std::ref(a));
            jobs.spawn(lock_one, std::ref(a));
        },
        [] {
            const wait_graph graph;
            CHECK(graph.findings().empty());
            CHECK(graph.stuck() == 0);
            CHECK(graph.report() == "");
        });
}

TEST_CASE("wait_graph: a deadline around one wait breaks the cycle") {
    rf::sync::mutex a;
    rf::sync::mutex b;
    auto careful = [](rf::sync::mutex& first, rf::sync::mutex& second) -> rf::task<> {
        co_await rf::move_on_after(1h, [&] { return lock_both(first, second, "careful"); });
    };
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(careful, std::ref(a), std::ref(b));
            jobs.spawn(lock_both, std::ref(b), std::ref(a), "right");
        },
        [] { CHECK(wait_graph().findings().empty()); });
}

TEST_CASE("wait_graph: a wait that anybody could end is no finding while anything moves") {
    rf::sync::event never;
    look_at([&](rf::nursery& jobs) { jobs.spawn(wait_for, std::ref(never)); },
            [] { CHECK(wait_graph().findings().empty()); });
}

TEST_CASE("wait_graph: where nothing moves, a wait for nobody known is proven quiescent") {
    final_look look;
    rf::test::sim_options options;
    options.run.observer = &look;
    rf::sync::event never;
    const auto report = rf::test::report_sim(options, [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 3; ++i)
                jobs.spawn(wait_for, std::ref(never));
            co_return;
        });
    });
    CHECK_FALSE(report.deadlock.empty());
    REQUIRE(look.graph.has_value());
    REQUIRE(look.graph->findings().size() == 1);
    const wait_finding& found = look.graph->findings().front();
    CHECK(found.what == verdict::quiescent);
    CHECK(found.tasks.size() == 3);  // the program, which joins them, waits behind
    CHECK(look.graph->stuck() == 4);
    CHECK(has(report.deadlock, "3 tasks wait at"));
    CHECK(has(report.deadlock, "advice: set or notify it"));
}

TEST_CASE(
    "wait_graph: a lock whose holder has ended is suspect, and an orphan where nothing moves") {
    rf::sync::mutex a;
    rf::sync::mutex_guard kept;
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(keep_guard, std::ref(a), std::ref(kept));
            jobs.spawn(lock_one, std::ref(a));
        },
        [&] {
            const wait_graph graph;
            CHECK(count_of(graph, verdict::holder_gone) == 1);
            CHECK_FALSE(graph.proven());
            CHECK(has(graph.report(), "suspect holder gone"));
            CHECK(has(graph.report(), "has ended"));
            kept.unlock();
        });

    final_look look;
    rf::test::sim_options options;
    options.run.observer = &look;
    (void)rf::test::report_sim(options, [&]() -> rf::task<> {
        co_await keep_guard(a, kept);
        co_await lock_one(a);
    });
    REQUIRE(look.graph.has_value());
    CHECK(count_of(*look.graph, verdict::quiescent) == 1);  // it holds it still, by a moved guard
    kept = {};

    (void)rf::test::report_sim(options, [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(keep_guard, std::ref(a), std::ref(kept));
            co_return;
        });
        co_await lock_one(a);
    });
    CHECK(count_of(*look.graph, verdict::orphan) == 1);
    kept = {};
}

TEST_CASE("wait_graph: suspicions are kept apart from proofs") {
    rf::sync::event never;
    look_at([&](rf::nursery& jobs) { jobs.spawn(wait_for, std::ref(never)); },
            [] {
                wait_graph_options options;
                options.age_max = 500ms;
                const wait_graph graph(options);
                REQUIRE(graph.findings().size() == 1);
                CHECK(graph.findings().front().what == verdict::too_old);
                CHECK_FALSE(graph.proven());
                options.age_max = 2s;
                CHECK(wait_graph(options).findings().empty());
            });
}

TEST_CASE("wait_graph: a shield that keeps a cancel out for long is named") {
    rf::test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            rf::cancel_scope scope;
            jobs.spawn([&scope]() -> rf::task<> {
                (void)co_await scope.run([]() -> rf::task<> {
                    co_await rf::shield(1h, []() -> rf::task<> { co_await rf::sleep_for(5s); });
                });
            });
            co_await rf::sleep_for(1s);
            CHECK(wait_graph().findings().empty());
            scope.cancel();
            co_await rf::sleep_for(2s);
            const wait_graph graph;
            CHECK(count_of(graph, verdict::unwinds_late) == 1);
            CHECK(has(graph.report(), "a shield keeps the cancel out"));
            co_await rf::sleep_for(10s);  // the scope has to outlive its run
        });
    });
}

TEST_CASE("wait_graph: a reader that locks again behind a writer is in a proven cycle with it") {
    rf::sync::rw_lock table;
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(read_twice, std::ref(table));   // task 2
            jobs.spawn(write_later, std::ref(table));  // task 3
        },
        [] {
            const wait_graph graph;
            REQUIRE(count_of(graph, verdict::cycle) == 1);
            CHECK(graph.findings()[0].tasks == std::vector<std::uint64_t>{2, 3});
            CHECK(has(graph.report(), "to be woken by task 2, its only reader"));
        });
}

TEST_CASE("wait_graph: a reader that asks to write waits for itself") {
    rf::sync::rw_lock table;
    look_at([&](rf::nursery& jobs) { jobs.spawn(read_then_write, std::ref(table)); },
            [] { CHECK(count_of(wait_graph(), verdict::cycle) == 1); });
}

TEST_CASE("wait_graph: of several readers, or one that goes on, nothing is proven") {
    rf::sync::rw_lock table;
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(read_and_sleep, std::ref(table), 100s);
            jobs.spawn(read_and_sleep, std::ref(table), 200s);
            jobs.spawn(write_later, std::ref(table));
            jobs.spawn(read_then_write, std::ref(table));
        },
        [] { CHECK(wait_graph().findings().empty()); });
    // The one that came last has gone: the one that is left is named, not it.
    look_at(
        [&](rf::nursery& jobs) {
            jobs.spawn(read_and_sleep, std::ref(table), 100s);  // task 2
            jobs.spawn([&]() -> rf::task<> { auto brief = co_await table.lock_shared(); });
            jobs.spawn(write_later, std::ref(table));
        },
        [] {
            CHECK(wait_graph().findings().empty());
            wait_graph_options all;
            all.age_max = 1ns;
            CHECK(has(wait_graph(all).report(), "to be woken by task 2, its only reader"));
        });
}

TEST_CASE("wait_graph: tasks with many that have ended between them find each other") {
    rf::sync::mutex a;
    rf::sync::mutex b;
    rf::test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(lock_both, std::ref(a), std::ref(b), "left");
            for (int i = 0; i < 1'000; ++i)
                jobs.spawn([]() -> rf::task<> { co_return; });
            jobs.spawn(lock_both, std::ref(b), std::ref(a), "right");
            co_await rf::sleep_for(1s);
            const wait_graph graph;
            REQUIRE(count_of(graph, verdict::cycle) == 1);
            CHECK(graph.findings()[0].tasks == std::vector<std::uint64_t>{2, 1'003});
            jobs.cancel();
        });
    });
}
