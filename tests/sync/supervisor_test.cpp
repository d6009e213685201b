// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/supervisor.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::supervisor;
using rf::test::run_sim;

namespace {

using journal = std::vector<std::string>;

/// A child that notes its start and its end, which takes a millisecond, and lives until cancelled.
std::function<rf::task<>()> lasting(journal& log, std::string name) {
    return [&log, name]() -> rf::task<> {
        log.push_back("+" + name);
        auto live = []() -> rf::task<> { co_await rf::sleep_forever(); };
        auto end = [&]() -> rf::task<> {
            co_await rf::sleep_for(1ms);
            log.push_back("-" + name);
        };
        co_await rf::finally(live, end);
    };
}

/// Cancels `work` after `span`. Gives whether it finished before.
rf::task<bool> cut_off(std::chrono::milliseconds span, rf::task<> work) {
    rf::cancel_scope scope;
    scope.set_timeout(span);
    co_return co_await scope.run(std::move(work));
}

}  // namespace

TEST_CASE("supervisor: children start in order and stop in the reverse, each after the last") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor all;
        for (const char* name : {"a", "b", "c"})
            all.add(name, lasting(log, name));
        rf::test::stopwatch watch;
        const bool finished = co_await cut_off(10ms, all.run());
        CHECK(!finished);
        CHECK(log == journal{"+a", "+b", "+c", "-c", "-b", "-a"});
        CHECK(watch.elapsed() == 13ms);
        CHECK(all.statistics().running == 0);
    });
}

TEST_CASE("supervisor: supervisors among the children stop from the top down") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor low({.name = "low"});
        low.add("x", lasting(log, "x"));
        low.add("y", lasting(log, "y"));
        supervisor top({.name = "top"});
        top.add("a", lasting(log, "a"));
        top.add("low", [&] { return low.run(); });
        top.add("b", lasting(log, "b"));
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                const bool finished = co_await cut_off(10ms, top.run());
                CHECK(!finished);
            });
            co_await rf::sleep_for(1ms);
            const std::string tree = rf::task_tree(rf::loop::here());
            for (const char* name : {"top", "low", "x", "y"})
                CHECK(tree.find(name) != std::string::npos);
        });
        CHECK(log == journal{"+a", "+b", "+x", "+y", "-b", "-y", "-x", "-a"});
    });
}

TEST_CASE("supervisor: a drain stops children in reverse, those that want it with time to finish") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor all;
        all.add("a", lasting(log, "a"));
        all.add("server",
                [&]() -> rf::task<> {
                    co_await rf::this_task::wait_draining();
                    co_await rf::sleep_for(20ms);
                    log.push_back("served");
                },
                {.drain_limit = 50ms});
        all.add("slow",
                [&]() -> rf::task<> {
                    co_await rf::this_task::wait_draining();
                    co_await rf::sleep_for(20ms);
                    log.push_back("not reached");
                },
                {.drain_limit = 5ms});
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                co_await all.run();
                log.push_back("returned");
            });
            co_await rf::sleep_for(1ms);
            jobs.drain(1s);
        });
        CHECK(log == journal{"+a", "served", "-a", "returned"});
    });
}

TEST_CASE("supervisor: a child that outlives the stop limit is cancelled with the rest") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor all({.stop_limit = 3ms});
        all.add("a", lasting(log, "a"));
        all.add("long", []() -> rf::task<> {
            auto live = []() -> rf::task<> { co_await rf::sleep_forever(); };
            auto end = []() -> rf::task<> { co_await rf::sleep_for(8ms); };
            co_await rf::finally(live, end);
        });
        rf::test::stopwatch watch;
        (void)co_await cut_off(10ms, all.run());
        CHECK(log == journal{"+a", "-a"});
        CHECK(watch.elapsed() == 18ms);
    });
}

TEST_CASE("supervisor: a permanent child is started anew, a temporary one and a done one are not") {
    run_sim([]() -> rf::task<> {
        int permanent_runs = 0;
        int temporary_runs = 0;
        int transient_runs = 0;
        supervisor all({.restarts_max = 10});
        all.add("permanent", [&]() -> rf::task<> {
            ++permanent_runs;
            co_await rf::sleep_for(3ms);
        });
        all.add("temporary",
                [&]() -> rf::task<> {
                    ++temporary_runs;
                    co_return;
                },
                {.restart = rf::sync::temporary});
        all.add("transient",
                [&]() -> rf::task<> {
                    ++transient_runs;
                    co_return;
                },
                {.restart = rf::sync::transient});
        (void)co_await cut_off(10ms, all.run());
        CHECK(permanent_runs == 4);
        CHECK(temporary_runs == 1);
        CHECK(transient_runs == 1);
        CHECK(all.statistics().restarts == 3);
        CHECK(all.statistics().children[0].restarts == 3);
    });
}

TEST_CASE("supervisor: run returns when no child is left to run, and can be called again") {
    run_sim([]() -> rf::task<> {
        int runs = 0;
        supervisor all;
        all.add("once",
                [&]() -> rf::task<> {
                    ++runs;
                    co_return;
                },
                {.restart = rf::sync::transient});
        co_await all.run();
        co_await all.run();
        CHECK(runs == 2);
        supervisor none;
        co_await none.run();
    });
}

#if RF_EXCEPTIONS
namespace {

/// A child that fails after `span`, the first `times` it runs, and then lasts.
std::function<rf::task<>()> failing(journal& log, std::string name, std::chrono::milliseconds span,
                                    int times) {
    return [&log, name, span, times]() mutable -> rf::task<> {
        log.push_back("+" + name);
        if (times-- == 0) co_await rf::sleep_forever();
        co_await rf::sleep_for(span);
        throw std::runtime_error(name + " broke");
    };
}

journal run_strategy(rf::sync::restart_strategy strategy) {
    journal log;
    run_sim([&]() -> rf::task<> {
        supervisor all({.strategy = strategy});
        all.on_exit([](const rf::sync::child_exit&) {});
        all.add("a", lasting(log, "a"));
        all.add("b", failing(log, "b", 3ms, 1));
        all.add("c", lasting(log, "c"));
        all.add("t", lasting(log, "t"), {.restart = rf::sync::temporary});
        auto note = [&]() -> rf::task<> {
            co_await rf::sleep_for(20ms);
            log.push_back("|");
        };
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(note);
            (void)co_await cut_off(21ms, all.run());
        });
    });
    while (log.back() != "|")
        log.pop_back();
    return log;
}

}  // namespace

TEST_CASE("supervisor: one_for_one starts the child that failed, and no other") {
    CHECK(run_strategy(rf::sync::one_for_one) == journal{"+a", "+b", "+c", "+t", "+b", "|"});
}

TEST_CASE("supervisor: one_for_all stops all others in reverse, and starts all in order") {
    CHECK(run_strategy(rf::sync::one_for_all) ==
          journal{"+a", "+b", "+c", "+t", "-t", "-c", "-a", "+a", "+b", "+c", "|"});
}

TEST_CASE("supervisor: rest_for_one stops and starts what was added after the failed child") {
    CHECK(run_strategy(rf::sync::rest_for_one) ==
          journal{"+a", "+b", "+c", "+t", "-t", "-c", "+b", "+c", "|"});
}

TEST_CASE(
    "supervisor: more restarts than allowed stop all, and the parent hears who and how often") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor all({.restarts_max = 2, .window = 1s});
        int told = 0;
        all.on_exit([&](const rf::sync::child_exit& end) {
            ++told;
            CHECK(end.name == "bad");
            CHECK(end.restarted == (told < 3));
        });
        all.add("good", lasting(log, "good"));
        all.add("bad", failing(log, "bad", 1ms, 100));
        std::string text;
        try {
            co_await all.run();
        } catch (const rf::sync::restart_limit_reached& error) {
            text = error.what();
            CHECK(error.child() == "bad");
            CHECK(error.restarts() == 3);
            CHECK(error.cause() != nullptr);
        }
        CHECK(text.find("supervisor_test.cpp") != std::string::npos);
        CHECK(text.find("\"bad\" was the last of 3") != std::string::npos);
        CHECK(text.find("bad broke") != std::string::npos);
        CHECK(log == journal{"+good", "+bad", "+bad", "+bad", "-good"});
        CHECK(told == 3);
    });
}

TEST_CASE("supervisor: restarts that lie further apart than the window are not too many") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor all({.restarts_max = 1, .window = 5ms});
        all.on_exit([](const rf::sync::child_exit&) {});
        all.add("bad", failing(log, "bad", 6ms, 5));
        const bool finished = co_await cut_off(100ms, all.run());
        CHECK(!finished);
        CHECK(log.size() == 6);
    });
}

TEST_CASE("supervisor: one that gave up is started anew by the supervisor above it") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor low({.restarts_max = 0});
        low.on_exit([](const rf::sync::child_exit&) {});
        low.add("bad", failing(log, "bad", 1ms, 2));
        supervisor top;
        int told = 0;
        top.on_exit([&](const rf::sync::child_exit&) { ++told; });
        top.add("low", [&] { return low.run(); });
        (void)co_await cut_off(50ms, top.run());
        CHECK(told == 2);
        CHECK(log == journal{"+bad", "+bad", "+bad"});
    });
}

TEST_CASE("supervisor: restarts back off, longer each time, by a random part, up to the most") {
    run_sim([]() -> rf::task<> {
        journal log;
        supervisor all(
            {.restarts_max = 10, .window = 100s, .backoff = 100ms, .backoff_max = 300ms});
        std::vector<std::chrono::nanoseconds> delays;
        all.on_exit([&](const rf::sync::child_exit& end) { delays.push_back(end.delay); });
        all.add("bad", failing(log, "bad", 1ms, 4));
        rf::test::stopwatch watch;
        (void)co_await cut_off(5s, all.run());
        REQUIRE(delays.size() == 4);
        const std::chrono::nanoseconds full[] = {100ms, 200ms, 300ms, 300ms};
        for (std::size_t i = 0; i < 4; ++i) {
            CHECK(delays[i] <= full[i]);
            CHECK(delays[i] >= full[i] / 2);
        }
        CHECK(log.size() == 5);
    });
}

TEST_CASE("supervisor: bad options and bad children are refused") {
    CHECK_THROWS_WITH_AS(supervisor({.window = 0s}), doctest::Contains("window of 0"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(supervisor({.backoff = -1s}), doctest::Contains("below zero"),
                         std::invalid_argument);
    supervisor all;
    auto work = []() -> rf::task<> { co_return; };
    all.add("a", work);
    CHECK_THROWS_WITH_AS(all.add("a", work), doctest::Contains("name of another"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(all.add("", work), doctest::Contains("no name"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(all.add("b", nullptr), doctest::Contains("empty function"),
                         std::invalid_argument);
}
#endif
