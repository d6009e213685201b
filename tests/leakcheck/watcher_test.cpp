// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include "without_stalls.hpp"
#include <ringfence/leakcheck/watcher.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>

using namespace std::chrono_literals;
using rf::leakcheck::watcher;
using rf::test::has;
using rf::test::without_stalls;

namespace {

rf::task<> lock_twice() {
    rf::sync::mutex a;
    auto held = co_await a.lock();
    auto again = co_await a.lock();
}

rf::task<> cleans_up_for(std::chrono::nanoseconds span) {
    const rf::finally_options patient{.limit = 1min};
    co_await rf::finally([] { return rf::sleep_for(1h); }, [&] { return rf::sleep_for(span); },
                         patient);
}

}  // namespace

TEST_CASE("watcher: a deadlock is reported with its proof and the last events") {
    watcher watch(without_stalls());
    rf::test::sim_options options;
    options.run.observer = &watch;
    const rf::run_report report = rf::test::report_sim(options, lock_twice);
    CHECK(has(report.deadlock, "PROVEN cycle: a task waits for itself"));
    CHECK(has(report.deadlock, "events:\n"));
    CHECK(has(report.deadlock, "task 1 waits at"));
    CHECK(watch.verdicts() == nullptr);
}

TEST_CASE("watcher: its parts are there during the run, and it can watch another") {
    watcher watch;
    for (int round = 0; round < 2; ++round) {
        rf::run_options options;
        options.observer = &watch;
        rf::test::run_real(options, [&]() -> rf::task<> {
            CHECK(watch.stalls() != nullptr);
            CHECK(watch.verdicts() != nullptr);
            CHECK(watch.cancels() != nullptr);
            CHECK(rf::loop::here().flight() != nullptr);
            CHECK(rf::loop::here().account().timers == 0);
            co_return;
        });
        CHECK(watch.stalls() == nullptr);
    }
}

TEST_CASE("run: a cancelled program that does not end says who holds it up, ever less often") {
    const rf::test::death end = rf::test::run_to_death([] {
        watcher watch(without_stalls());
        rf::test::sim_options options;
        options.run.observer = &watch;
        rf::test::run_sim(options, []() -> rf::task<> {
            co_await rf::with_nursery([](rf::nursery& all) -> rf::task<> {
                all.spawn(cleans_up_for, 25s);
                co_await rf::sleep_for(1s);
                rf::root_nursery().cancel("time to go");
            });
        });
    });
    CHECK(end.status == 0);
    CHECK(end.says("ringfence: cancelled 5.0 s ago (cancelled on request: time to go) and not "
                   "ended; held up by:\nsuspect unwinds late: "));
    CHECK(end.says("cleans_up_for"));
    CHECK(end.says("advice: a shield keeps the cancel out"));
    CHECK(end.says("cancelled 10.0 s ago"));
    CHECK(end.says("cancelled 20.0 s ago"));
    CHECK(!end.says("cancelled 15.0 s ago"));
    CHECK(end.says("events:\n"));
}

TEST_CASE("watcher: when a drain runs out of time, verdicts about those who are left come first") {
    const rf::test::death end = rf::test::run_to_death([] {
        watcher watch(without_stalls());
        rf::test::sim_options options;
        options.run.observer = &watch;
        rf::test::run_sim(options, []() -> rf::task<> {
            co_await rf::with_nursery([](rf::nursery& all) -> rf::task<> {
                all.spawn(lock_twice);
                co_await rf::sleep_for(1s);
                all.drain(3s);
            });
        });
    });
    CHECK(end.status == 0);
    CHECK(end.says("still running, and cancelled now:\nPROVEN cycle: a task waits for itself"));
}
