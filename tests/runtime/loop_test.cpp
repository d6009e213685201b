// SPDX-License-Identifier: MIT
// Ready tasks, timers, messages and completions each get their share of the loop.
#include "receive_byte.hpp"
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <sys/socket.h>
#include <tests/support/run_sim.hpp>
#include <unistd.h>

using namespace std::chrono_literals;
using rf::test::run_real;
using rf::test::run_sim;

namespace {

struct crowd {
    std::uint64_t yields = 0;
    bool over = false;
};

rf::task<> never_wait(crowd& all) {
    while (!all.over) {
        ++all.yields;
        co_await rf::this_task::yield();
    }
}

// Runs `fn` beside more tasks than one turn resumes, none of which ever waits. Returns how often
// they ran meanwhile.
template <class F>
rf::task<std::uint64_t> beside_a_crowd(F fn) {
    crowd all;
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        for (int i = 0; i < 300; ++i)
            jobs.spawn(never_wait, std::ref(all));
        co_await rf::this_task::yield();
        all.yields = 0;
        co_await fn();
        all.over = true;
    });
    co_return all.yields;
}

constexpr int timers_count = 10'000;

// How often the first of many tasks whose timers are due at once has its turn before the last
// wakes.
int turns_between_timers(const rf::loop_limits& limits) {
    int fired = 0;
    int turns = 0;
    rf::test::sim_options options;
    options.run.limits = limits;
    run_sim(options, [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < timers_count; ++i)
                jobs.spawn([&]() -> rf::task<> {
                    co_await rf::sleep_for(1ms);
                    if (fired++ != 0) co_return;
                    while (fired < timers_count) {
                        ++turns;
                        co_await rf::this_task::yield();
                    }
                });
            co_return;
        });
    });
    CHECK(fired == timers_count);
    return turns;
}

/// Wakes a sleeping task by way of the inbox.
struct letter : rf::inbox_message {
    bool arrived = false;
};

}  // namespace

TEST_CASE("loop: tasks that never wait keep no completion waiting") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    std::uint64_t yields = 0;
    std::int32_t got = 0;
    run_real([&]() -> rf::task<> {
        yields = co_await beside_a_crowd([&]() -> rf::task<> {
            char byte = 0;
            REQUIRE(::write(ends[1], "x", 1) == 1);
            got = co_await test::receive_byte(ends[0], &byte);
        });
    });
    CHECK(got == 1);
    CHECK(yields < 20'000);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("loop: tasks that never wait keep no message waiting") {
    std::uint64_t yields = 0;
    run_sim([&]() -> rf::task<> {
        yields = co_await beside_a_crowd([]() -> rf::task<> {
            letter mine;
            mine.run = [](rf::inbox_message& message) noexcept {
                static_cast<letter&>(message).arrived = true;
            };
            rf::loop::here().post(mine);
            while (!mine.arrived)
                co_await rf::this_task::yield();
        });
    });
    CHECK(yields < 20'000);
}

TEST_CASE("loop: ten thousand timers that are due at once let others run in between") {
    const int bounded = turns_between_timers({});
    const int unbounded = turns_between_timers({.timers_max = timers_count});
    CHECK(unbounded == 1);
    CHECK(bounded > unbounded);
}
