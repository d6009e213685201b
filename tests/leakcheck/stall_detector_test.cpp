// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/detail/stall_sample.hpp>
#include <ringfence/leakcheck/stall_detector.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/eventfd.h>
#include <unistd.h>

using namespace std::chrono_literals;
using rf::leakcheck::stall;
using rf::leakcheck::stall_detector;
using rf::leakcheck::stall_options;
using rf::leakcheck::detail::stall_sample;
using rf::test::has;
using steady = std::chrono::steady_clock;

namespace {

rf::task<> take_deep(stall_sample* into) {
    co_await rf::this_task::yield();
    into->take();
}

rf::task<> take_below(stall_sample* into) { co_await take_deep(into); }

/// Holds the loop until it is told of, for ten seconds at most: by computing.
rf::task<> spin(const std::atomic<int>* told) {
    rf::this_task::set_name("holder");
    const auto end = steady::now() + 10s;
    while (told->load() == 0 && steady::now() < end) {
    }
    co_return;
}

/// The same in a call that blocks. The signal that asks for the stack interrupts it.
rf::task<> block(const std::atomic<int>* told, int bell) {
    rf::this_task::set_name("holder");
    const auto end = steady::now() + 10s;
    pollfd rung{bell, POLLIN, 0};
    while (told->load() == 1 && steady::now() < end)
        (void)::poll(&rung, 1, 10'000);
    co_return;
}

}  // namespace

TEST_CASE("stall_sample: names the running task, its awaits and the thread's stack") {
    rf::test::sim_options options;
    options.run.flight_events = 64;
    rf::test::run_sim(options, []() -> rf::task<> {
        stall_sample::prepare();
        stall_sample found;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(take_below, &found);
            co_return;
        });
        CHECK(found.task == 2);
        CHECK(
            has(found.task_text(), "task 2 (spawned at tests/leakcheck/stall_detector_test.cpp:"));
        const std::string stacks = found.stacks_text();
        const auto inner = stacks.find("after tests/leakcheck/stall_detector_test.cpp:");
        const auto outer = stacks.find("at tests/leakcheck/stall_detector_test.cpp:");
        REQUIRE(inner != stacks.npos);
        REQUIRE(outer != stacks.npos);
        CHECK(inner < outer);
        CHECK(has(stacks, "take_deep"));
        CHECK(has(stacks, "take_below"));
        CHECK(has(stacks, "leakcheck_test+0x"));
        CHECK(has(found.events_text(),
                  "task 2 goes on from tests/leakcheck/stall_detector_test.cpp:"));
    });
}

TEST_CASE("stall_sample: without a running task there is the thread's stack alone") {
    stall_sample found;
    found.take();
    CHECK(found.task == 0);
    CHECK(found.task_text() == "no task");
    CHECK(found.native_count > 0);
}

// On the real kernel, in real time: both kinds of stall last until they are reported.
TEST_CASE("stall_detector: a task that spins is named while it spins, and one that sleeps") {
    rf::test::run_real([]() -> rf::task<> {
        std::atomic<int> told{0};
        const int bell = ::eventfd(0, EFD_CLOEXEC);
        stall reports[2];
        stall_options options;
        options.threshold = 10ms;
        options.on_stall = [&](const stall& seen) {
            if (const int at = told.load(); at < 2) reports[at] = seen;
            if (++told == 2) (void)::eventfd_write(bell, 1);
        };
        stall_detector watch(options);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(spin, &told);
            all.spawn(block, &told, bell);
            co_return;
        });
        ::close(bell);
        REQUIRE(told.load() >= 2);
        CHECK(watch.statistics().stalls >= 2);
        for (const stall& seen : reports) {
            CHECK(seen.held_for >= 10ms);
            CHECK(seen.task != 0);
            CHECK(has(seen.text, "suspect stall: task "));
            CHECK(
                has(seen.text, "\"holder\" (spawned at tests/leakcheck/stall_detector_test.cpp:"));
            CHECK(has(seen.text, ", before its first co_await"));
            CHECK(has(seen.text, "on the thread:"));
            CHECK(has(seen.text, "advice: "));
        }
        CHECK(reports[0].task + 1 == reports[1].task);
        CHECK(reports[1].on_processor < reports[1].held_for);
        CHECK(has(reports[1].text, "it sleeps in a call that blocks the thread"));
    });
}

TEST_CASE("stall_detector: a threshold that would find the machine's stalls is refused") {
#if RF_EXCEPTIONS
    stall_options options;
    options.threshold = 10us;
    CHECK_THROWS_WITH_AS(
        stall_detector{options},
        "leakcheck::stall_detector: a threshold of 10000 ns; below 1 ms it would find the "
        "machine's stalls and not the program's",
        std::invalid_argument);
#endif
}
