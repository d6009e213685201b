// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/verdict_watch.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::verdict;
using rf::leakcheck::verdict_watch;
using rf::leakcheck::wait_finding;
using rf::test::has;
using rf::test::run_sim;

namespace {

rf::task<> lock_both(rf::sync::mutex& first, rf::sync::mutex& second) {
    auto one = co_await first.lock();
    co_await rf::sleep_for(1s);
    auto two = co_await second.lock();
}

}  // namespace

TEST_CASE("verdict_watch: a cycle is told at the next look, once") {
    run_sim([]() -> rf::task<> {
        verdict_watch watch;
        std::vector<wait_finding> heard;
        rf::loop::here().record_flight(64);
        watch.on_finding([&](const wait_finding& what) {
            heard.push_back(what);
            const std::string events = rf::loop::here().recent_events();
            CHECK(has(events, "waits"));
            CHECK(what.text.ends_with(events));
        });
        rf::sync::mutex a, b;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(lock_both, std::ref(a), std::ref(b));
            all.spawn(lock_both, std::ref(b), std::ref(a));
            co_await rf::sleep_for(9s);
            CHECK(heard.empty());
            co_await rf::sleep_for(2s);
            REQUIRE(heard.size() == 1);
            CHECK(heard[0].what == verdict::cycle);
            CHECK(heard[0].tasks.size() == 2);
            CHECK(std::string(heard[0].where.file_name()).ends_with("verdict_watch_test.cpp"));
            CHECK(has(heard[0].text, "PROVEN cycle"));
            co_await rf::sleep_for(1h);
            CHECK(heard.size() == 1);
            CHECK(watch.statistics().looks == 361);
            CHECK(watch.statistics().tasks_stuck == 2);
            all.cancel();
        });
        // Anew, because it had gone.
        co_await rf::sleep_for(10s);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(lock_both, std::ref(a), std::ref(b));
            all.spawn(lock_both, std::ref(b), std::ref(a));
            co_await rf::sleep_for(20s);
            all.cancel();
        });
        CHECK(heard.size() == 2);
    });
}

TEST_CASE("verdict_watch: a proof that is too young waits for the next look") {
    run_sim([]() -> rf::task<> {
        verdict_watch watch({.interval = 3s, .patience = 6s});
        std::vector<wait_finding> heard;
        watch.on_finding([&](const wait_finding& what) { heard.push_back(what); });
        rf::sync::mutex a;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(lock_both, std::ref(a), std::ref(a));
            co_await rf::sleep_for(6s + 1ms);
            CHECK(watch.statistics().looks == 2);
            CHECK(heard.empty());
            co_await rf::sleep_for(3s);
            CHECK(heard.size() == 1);
            CHECK(watch.look() == 0);
            all.cancel();
        });
    });
}

TEST_CASE("verdict_watch: it keeps no deadlock from being reported") {
    const rf::run_report report = rf::test::report_sim({}, []() -> rf::task<> {
        verdict_watch watch;
        rf::sync::mutex a;
        auto held = co_await a.lock();
        auto again = co_await a.lock();
    });
    CHECK(report.deadlock.starts_with("deadlock: every task waits"));
    CHECK(report.final.empty());
}

TEST_CASE("leak_guard: tasks that are left come with the proof of why") {
    run_sim([]() -> rf::task<> {
        rf::sync::mutex a, b;
        std::string left;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            rf::leakcheck::leak_guard nothing_left;
            all.spawn(lock_both, std::ref(a), std::ref(b));
            all.spawn(lock_both, std::ref(b), std::ref(a));
            co_await rf::sleep_for(5s);
            left = nothing_left.findings();
            all.cancel();
        });
        CHECK(has(left, "PROVEN cycle: 2 tasks wait for each other"));
    });
}
