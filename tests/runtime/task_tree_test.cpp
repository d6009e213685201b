// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <source_location>
#include <string>
#include <tests/support/run_sim.hpp>
#include <vector>

using namespace std::chrono_literals;
using rf::test::has;
using rf::test::run_sim;

namespace {

unsigned inner_line = 0;
unsigned outer_line = 0;

rf::task<> read_request() {
    inner_line = std::source_location::current().line() + 1;
    co_await rf::sleep_for(30s);
}
rf::task<> handle_peer() {
    rf::this_task::set_name("peer");
    outer_line = std::source_location::current().line() + 1;
    co_await read_request();
}

std::string tree() { return rf::task_tree(rf::loop::here()); }

}  // namespace

TEST_CASE("task_tree: says who waits, for what, where, how long and in which nursery") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.name = "peers"}, [](rf::nursery& jobs) -> rf::task<> {
            const unsigned spawned = std::source_location::current().line() + 1;
            jobs.spawn(handle_peer);
            co_await rf::sleep_for(1500ms);
            const std::string text = tree();
            CHECK(has(text, "ringfence: 2 tasks, 0 operations"));
            CHECK(has(text, "nursery \"peers\", 1 alive (opened at "));
            CHECK(has(text, "\"peer\": sleep for sleep, 28500 ms left, 1.5 s, to be woken by the "
                            "clock"));
            const auto line = [](unsigned number) {
                return "task_tree_test.cpp:" + std::to_string(number);
            };
            CHECK(has(text, line(spawned)));
            CHECK(has(text, line(inner_line) + " in "));
            CHECK(has(text, line(outer_line) + " in "));
            CHECK(has(text, "read_request\n"));
            CHECK(has(text, "handle_peer\n"));
            // The innermost co_await comes first.
            CHECK(text.find(line(inner_line)) < text.find(line(outer_line)));
            jobs.cancel();
        });
    });
}

TEST_CASE("task_tree: is indented as nurseries nest") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.name = "outer"}, [](rf::nursery& outer) -> rf::task<> {
            outer.spawn([]() -> rf::task<> {
                co_await rf::with_nursery({.name = "inner"}, [](rf::nursery& inner) -> rf::task<> {
                    inner.spawn(handle_peer);
                    co_return;
                });
            });
            co_await rf::sleep_for(1ms);
            const std::string text = tree();
            CHECK(has(text, "\nnursery \"root\""));
            CHECK(has(text, "\n    nursery \"outer\""));
            CHECK(has(text, "\n        nursery \"inner\""));
            CHECK(has(text, "\n          task "));
            outer.cancel();
        });
    });
}

TEST_CASE("task_tree: shows tasks that have not started, that run, and services") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(handle_peer);
            jobs.spawn_service(handle_peer);
            const std::string text = tree();
            CHECK(has(text, ": not started yet (spawned at "));
            CHECK(has(text, "(service): not started yet"));
            CHECK(has(text, ": running (spawned at "));
            CHECK(has(text, "    in "));
            jobs.cancel();
            co_return;
        });
    });
}

TEST_CASE("task_tree: shows deadlines, drains and cancellations with their line and reason") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.name = "jobs"}, [](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(
                []() -> rf::task<> { (void)co_await rf::move_on_after(2s, rf::sleep_forever()); });
            jobs.spawn([]() -> rf::task<> { co_await rf::shield(4s, rf::sleep_for(10ms)); });
            co_await rf::sleep_for(1ms);
            CHECK(has(tree(), "timeout, 2.0 s left (opened at "));
            CHECK(has(tree(), "shield, 4.0 s left (opened at "));
            jobs.drain(10s);
            CHECK(has(tree(), "nursery \"jobs\", 2 alive, draining"));
            const unsigned line = std::source_location::current().line() + 1;
            jobs.cancel("enough of it");
            const std::string text = tree();
            CHECK(has(text, "nursery \"jobs\", 2 alive, CANCELLED at "));
            CHECK(has(text, "task_tree_test.cpp:" + std::to_string(line) +
                                ": cancelled on request: enough of it"));
            CHECK(has(text, ": unwinding"));
            co_return;
        });
    });
}

TEST_CASE("task_tree: shows who waits for a place, a start, a join and a result") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.limit = 1}, [](rf::nursery& jobs) -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& other) -> rf::task<> {
                auto handle = jobs.async(handle_peer);
                other.spawn([&]() -> rf::task<> { co_await handle; });
                other.spawn([&]() -> rf::task<> { co_await jobs.spawn_when_free(handle_peer); });
                other.spawn([&]() -> rf::task<> {
                    co_await rf::with_nursery([](rf::nursery& mine) -> rf::task<> {
                        co_await mine.start(
                            [](rf::started<>) -> rf::task<> { co_await rf::sleep_forever(); });
                    });
                });
                co_await rf::sleep_for(1ms);
                const std::string text = tree();
                CHECK(has(text, "join for the result of task " + std::to_string(handle.id())));
                CHECK(has(text, "nursery for a place in a nursery at its limit"));
                CHECK(has(text, "to be woken by one of its 1 children"));
                CHECK(has(text, "1 waiting to spawn"));
                CHECK(has(text, "start for a child to say that it has started"));
                other.cancel();
                co_await rf::this_task::checkpoint();
            });
            jobs.cancel();
        });
    });
}

TEST_CASE("task_tree: leaves out the frames of ringfence itself") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([]() -> rf::task<> {
                const auto work = [] { return handle_peer(); };
                (void)co_await rf::move_on_after(1h, work);
            });
            co_await rf::sleep_for(1ms);
            const std::string text = tree();
            CHECK(has(text, "handle_peer\n"));
            CHECK_FALSE(has(text, "run_under"));
            CHECK_FALSE(has(text, "cancel_scope.hpp"));
            jobs.cancel();
        });
    });
}

TEST_CASE("task_tree: begins with the line that called run, and shows nothing below it") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([] { return rf::sleep_for(1h); });  // awaited by a frame of ringfence
            co_await rf::sleep_for(1ms);
            const std::string text = tree();
            CHECK(has(text, "\"root\", 1 alive (opened at tests/"));
            CHECK_FALSE(has(text, "at runtime/"));
            CHECK_FALSE(has(text, "run_main"));
            CHECK_FALSE(has(text, "await_call"));
            jobs.cancel();
        });
    });
}

TEST_CASE("task_tree: shortens a chain of a thousand awaits") {
    struct recursion {
        static rf::task<> go(int depth) {
            if (depth == 0) {
                co_await rf::sleep_for(5ms);
                co_return;
            }
            co_await go(depth - 1);
        }
    };
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(recursion::go, 1000);
            co_await rf::sleep_for(1ms);
            const std::string text = tree();
            CHECK(has(text, "... and more frames"));
            CHECK(text.size() < 16'000);
        });
    });
}
