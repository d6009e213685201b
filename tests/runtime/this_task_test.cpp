// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <tests/support/run_sim.hpp>
#include <vector>

using namespace std::chrono_literals;
using rf::test::run_sim;
using rf::test::stopwatch;

TEST_CASE("this_task: every task has an id of its own, and keeps it across waits") {
    std::set<std::uint64_t> ids;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 10; ++i)
                jobs.spawn([&]() -> rf::task<> {
                    const std::uint64_t mine = rf::this_task::id();
                    ids.insert(mine);
                    co_await rf::sleep_for(1ms);
                    CHECK(rf::this_task::id() == mine);
                });
            co_return;
        });
    });
    CHECK(ids.size() == 10);
}

TEST_CASE("this_task: a name belongs to the task, whatever it awaits") {
    run_sim([]() -> rf::task<> {
        CHECK(rf::this_task::name() == nullptr);
        const auto inner = []() -> rf::task<> {
            rf::this_task::set_name("worker");
            co_return;
        };
        co_await inner();
        CHECK(std::string(rf::this_task::name()) == "worker");
    });
}

TEST_CASE("this_task: the deadline is the earliest of the scopes around") {
    run_sim([]() -> rf::task<> {
        CHECK_FALSE(rf::this_task::deadline().has_value());
        const auto begin = rf::clock::now();
        (void)co_await rf::move_on_after(5ms, [&]() -> rf::task<> {
            CHECK(rf::this_task::deadline() == begin + 5ms);
            (void)co_await rf::move_on_after(9ms, [&]() -> rf::task<> {
                CHECK(rf::this_task::deadline() == begin + 5ms);
                co_return;
            });
            (void)co_await rf::move_on_after(2ms, [&]() -> rf::task<> {
                CHECK(rf::this_task::deadline() == begin + 2ms);
                co_return;
            });
            CHECK(rf::this_task::deadline() == begin + 5ms);
        });
        CHECK_FALSE(rf::this_task::deadline().has_value());
    });
}

TEST_CASE("this_task: cancel_requested tells a loop that computes to end") {
    std::uint64_t rounds = 0;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        (void)co_await scope.run([&]() -> rf::task<> {
            while (!rf::this_task::cancel_requested())
                if (++rounds == 100) scope.cancel();
            co_return;
        });
    });
    CHECK(rounds == 100);
}

TEST_CASE("this_task: draining turns true for all in the scope, children of children too") {
    int heard = 0;
    run_sim([&]() -> rf::task<> {
        CHECK_FALSE(rf::this_task::draining());
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                while (!rf::this_task::draining())
                    co_await rf::sleep_for(1ms);
                ++heard;
            });
            jobs.spawn([&]() -> rf::task<> {
                co_await rf::with_nursery([&](rf::nursery& inner) -> rf::task<> {
                    inner.spawn([&]() -> rf::task<> {
                        co_await rf::this_task::wait_draining();
                        ++heard;
                    });
                    co_return;
                });
            });
            co_await rf::sleep_for(5ms);
            jobs.drain(1s);
            co_await rf::this_task::wait_draining();
            ++heard;
        });
        CHECK_FALSE(rf::this_task::draining());
    });
    CHECK(heard == 3);
}

TEST_CASE("wait_draining: can be cancelled, and leaves no listener") {
    run_sim([]() -> rf::task<> {
        const std::uint64_t before = rf::loop::here().drain_listeners;
        const bool drained = co_await rf::move_on_after(1ms, rf::this_task::wait_draining());
        CHECK_FALSE(drained);
        CHECK(rf::loop::here().drain_listeners == before);
    });
}

TEST_CASE("yield: lets every other ready task run once, in turn") {
    std::string order;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (const char name : {'a', 'b', 'c'})
                jobs.spawn(
                    [&order](char mine) -> rf::task<> {
                        for (int i = 0; i < 4; ++i) {
                            order += mine;
                            co_await rf::this_task::yield();
                        }
                    },
                    name);
            co_return;
        });
    });
    CHECK(order == "abcabcabcabc");
}

TEST_CASE("yield: tasks that only yield do not keep timers from firing") {
    // Virtual time stands still while something can run, so the timer is one that is due already.
    bool fired = false;
    std::uint64_t yields = 0;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                while (!fired) {
                    ++yields;
                    co_await rf::this_task::yield();
                }
            });
            co_await rf::sleep_for(0ms);
            fired = true;
        });
    });
    CHECK(yields < 1000);
}

TEST_CASE("checkpoint: goes on at once, in front of whoever is ready") {
    std::string order;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&order]() -> rf::task<> {
                order += 'a';
                co_await rf::this_task::checkpoint();
                order += 'A';
            });
            jobs.spawn([&order]() -> rf::task<> {
                order += 'b';
                co_return;
            });
            co_return;
        });
    });
    CHECK(order == "aAb");
}

TEST_CASE("sleep: wakes in the order of deadlines, and of falling asleep where those are equal") {
    std::vector<int> order;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            const int spans_ms[] = {5, 1, 3, 1, 5, 0, 700, 3, 60'000};
            for (int i = 0; i < 9; ++i)
                jobs.spawn(
                    [&order](int which, std::chrono::milliseconds span) -> rf::task<> {
                        co_await rf::sleep_for(span);
                        order.push_back(which);
                    },
                    i, std::chrono::milliseconds(spans_ms[i]));
            co_return;
        });
    });
    CHECK(order == std::vector{5, 1, 3, 2, 7, 0, 4, 6, 8});
}

TEST_CASE("sleep: takes exactly as long as was asked, on a clock that jumps") {
    run_sim([]() -> rf::task<> {
        stopwatch watch;
        co_await rf::sleep_for(std::chrono::nanoseconds(1));
        CHECK(watch.elapsed() == 1ns);
        co_await rf::sleep_for(36h);
        CHECK(watch.elapsed() == 36h + 1ns);
        co_await rf::sleep_until(rf::clock::now() + 7us);
        CHECK(watch.elapsed() == 36h + 7us + 1ns);
        co_await rf::sleep_until(rf::clock::now() - 1h);
        co_await rf::sleep_for(-1s);
        CHECK(watch.elapsed() == 36h + 7us + 1ns);
    });
}

TEST_CASE("sleep: one that is cancelled leaves no timer") {
    run_sim([]() -> rf::task<> {
        (void)co_await rf::move_on_after(1ms, rf::sleep_for(1h));
        CHECK(rf::loop::here().account().timers == 0);
    });
}
