// SPDX-License-Identifier: MIT
#include "graph_looks.hpp"
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/verdict_watch.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/join_handle.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/condition.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/once.hpp>
#include <ringfence/sync/rw_lock.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::verdict;
using rf::leakcheck::wait_finding;
using rf::leakcheck::wait_graph;
using rf::test::count_of;
using rf::test::final_look;
using rf::test::has;
using rf::test::look_at;

namespace {

// What is held, and how it is taken.
struct mutex_held {
    rf::sync::mutex of;
    auto take() { return of.lock(); }
};
struct writer_held {
    rf::sync::rw_lock of;
    auto take() { return of.lock(); }
};
struct reader_held {
    rf::sync::rw_lock of;
    auto take() { return of.lock_shared(); }
    auto wait() { return of.lock(); }
};
struct once_held {
    rf::sync::once of;
    auto take() { return of.begin(); }
};

template <class Held>
rf::task<> want(Held& what) {
    if constexpr (requires { what.wait(); })
        auto held = co_await what.wait();
    else
        auto held = co_await what.take();
}

template <class Guard>
rf::task<> keep_for(Guard guard, std::chrono::nanoseconds time) {
    Guard kept = std::move(guard);
    co_await rf::sleep_for(time);
}
template <class Guard>
rf::task<> keep_until(Guard guard, rf::sync::event& when) {
    Guard kept = std::move(guard);
    co_await when.wait();
}

/// Takes it, and joins a task that wants it too.
template <class Held>
rf::task<> take_and_join(Held& what, rf::nursery& jobs) {
    auto held = co_await what.take();
    co_await jobs.async(want<Held>, std::ref(what));
}
/// The same, but a third task has the guard.
template <class Held>
rf::task<> hand_on_and_join(Held& what, rf::nursery& jobs, std::chrono::nanoseconds time) {
    auto held = co_await what.take();
    jobs.spawn(keep_for<decltype(held)>, std::move(held), time);
    co_await jobs.async(want<Held>, std::ref(what));
}

}  // namespace

TEST_CASE_TEMPLATE("wait_graph: whoever keeps a guard and joins a task that wants it is proven",
                   Held, mutex_held, writer_held, reader_held, once_held) {
    Held what;
    look_at(
        [&](rf::nursery& jobs) { jobs.spawn(take_and_join<Held>, std::ref(what), std::ref(jobs)); },
        [] { CHECK(count_of(wait_graph(), verdict::cycle) == 1); });
}

TEST_CASE_TEMPLATE("wait_graph: with the guard in another task the same is no proof, and goes on",
                   Held, mutex_held, writer_held, reader_held, once_held) {
    Held what;
    rf::test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(hand_on_and_join<Held>, std::ref(what), std::ref(jobs), 2s);  // task 2
            co_await rf::sleep_for(1s);
            const wait_graph graph;
            CHECK_FALSE(graph.proven());
            REQUIRE(graph.findings().size() == 1);
            CHECK(graph.findings()[0].what == verdict::likely_cycle);
            CHECK(graph.findings()[0].tasks == std::vector<std::uint64_t>{2, 4});
            const std::string text = graph.report();
            CHECK(has(text, "suspect likely cycle: 2 tasks wait for each other in a circle, unless "
                            "a guard that was moved is with another task"));
            CHECK(has(text, "the guard that task 2 has moved"));
            CHECK(graph.stuck() == 0);
            co_await rf::sleep_for(2s);
            CHECK(wait_graph().waiting() == 0);
        });
    });
}

TEST_CASE_TEMPLATE("wait_graph: where nothing moves, a wait for a guard that was moved is proven",
                   Held, mutex_held, writer_held, reader_held, once_held) {
    Held what;
    rf::sync::event never;
    final_look look;
    rf::test::sim_options options;
    options.run.observer = &look;
    auto hand_on = [&](rf::nursery& jobs) -> rf::task<> {
        auto held = co_await what.take();
        jobs.spawn(keep_until<decltype(held)>, std::move(held), std::ref(never));
        co_await jobs.async(want<Held>, std::ref(what));
    };
    const auto report = rf::test::report_sim(options, [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(hand_on, std::ref(jobs));
            co_return;
        });
    });
    CHECK_FALSE(report.deadlock.empty());
    REQUIRE(look.graph.has_value());
    CHECK(count_of(*look.graph, verdict::cycle) == 0);
    CHECK(count_of(*look.graph, verdict::quiescent) == 2);  // the event, and the guard
    CHECK(look.graph->findings().size() == 2);
    CHECK(has(look.graph->report(), "the guard that task 2 has moved"));
}

TEST_CASE("wait_graph: a guard moved within its task gives a suspicion, after patience") {
    rf::sync::mutex a;
    rf::sync::mutex b;
    const auto lock_both = [](rf::sync::mutex& first, rf::sync::mutex& second) -> rf::task<> {
        rf::sync::mutex_guard one;
        one = co_await first.lock();
        co_await rf::this_task::yield();
        auto two = co_await second.lock();
    };
    rf::test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            rf::leakcheck::verdict_watch watch;
            std::vector<std::string> heard;
            watch.on_finding([&](const wait_finding& found) { heard.push_back(found.text); });
            jobs.spawn(lock_both, std::ref(a), std::ref(b));
            jobs.spawn(lock_both, std::ref(b), std::ref(a));
            co_await rf::sleep_for(500ms);
            CHECK(watch.look() == 0);
            co_await rf::sleep_for(600ms);
            CHECK(watch.look() == 1);
            REQUIRE(heard.size() == 1);
            CHECK(has(heard[0], "suspect likely cycle: "));
            CHECK(has(heard[0], "advice: take these in the same order"));
            jobs.cancel();
        });
    });
}

TEST_CASE("wait_graph: a lock that is taken anew is held by its task again") {
    rf::sync::mutex a;
    const auto lock_twice = [](rf::sync::mutex& lock) -> rf::task<> {
        auto first = co_await lock.lock();
        auto moved = std::move(first);
        moved.unlock();
        auto anew = co_await lock.lock();
        auto again = co_await lock.lock();
    };
    look_at([&](rf::nursery& jobs) { jobs.spawn(lock_twice, std::ref(a)); },
            [] { CHECK(count_of(wait_graph(), verdict::cycle) == 1); });
}

TEST_CASE("wait_graph: a condition gives the lock back as it was, to whoever has the guard") {
    rf::sync::mutex state;
    rf::sync::condition changed;
    for (const bool moved : {false, true}) {
        look_at(
            [&](rf::nursery& jobs) {
                jobs.spawn([&]() -> rf::task<> {
                    rf::sync::mutex_guard held = co_await state.lock();
                    if (moved) held = rf::sync::mutex_guard(std::move(held));
                    co_await changed.wait(held);
                    auto again = co_await state.lock();
                });
                jobs.spawn([&]() -> rf::task<> {
                    co_await rf::sleep_for(500ms);
                    changed.notify_one();
                });
            },
            [&] {
                const wait_graph graph;
                CHECK(count_of(graph, verdict::cycle) == (moved ? 0 : 1));
                CHECK(count_of(graph, verdict::likely_cycle) == (moved ? 1 : 0));
            });
    }
}

TEST_CASE("wait_graph: of readers who moved their guards, the last that did not is still named") {
    rf::sync::rw_lock table;
    for (const bool moved_stays : {false, true}) {
        look_at(
            [&](rf::nursery& jobs) {
                const auto move = [&](std::chrono::nanoseconds time) -> rf::task<> {  // tasks 2, 3
                    auto first = co_await table.lock_shared();
                    auto second = std::move(first);
                    co_await rf::sleep_for(time);
                };
                jobs.spawn(move, 1ms);
                jobs.spawn(move, moved_stays ? 1h : 2ms);
                jobs.spawn([&]() -> rf::task<> {  // task 4
                    auto reading = co_await table.lock_shared();
                    if (moved_stays)
                        reading.unlock();
                    else
                        auto writing = co_await table.lock();
                });
                jobs.spawn([&]() -> rf::task<> {
                    co_await rf::sleep_for(3ms);
                    auto writing = co_await table.lock();
                });
            },
            [&] {
                rf::leakcheck::wait_graph_options all;
                all.age_max = 1ns;
                const wait_graph graph(all);
                CHECK(count_of(graph, verdict::cycle) == (moved_stays ? 0 : 1));
                CHECK(has(graph.report(), moved_stays ? "the guard that task 3 has moved"
                                                      : "task 4, its only reader"));
            });
    }
}
