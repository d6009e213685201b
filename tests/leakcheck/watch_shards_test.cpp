// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include "tests/support/virtual_shards.hpp"
#include "without_stalls.hpp"
#include <ringfence/leakcheck/monitor.hpp>
#include <ringfence/leakcheck/watcher.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/shared_channel.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;
using rf::leakcheck::verdict;
using rf::leakcheck::wait_finding;
using rf::leakcheck::wait_graph;
using rf::leakcheck::watcher;
using rf::test::death;
using rf::test::has;
using rf::test::run_to_death;
using rf::test::without_stalls;

namespace {

rf::test::virtual_options watched(std::uint64_t seed = 1) {
    rf::test::virtual_options options;
    options.seed = seed;
    options.world = rf::leakcheck::simulated_options::plain();
    options.time_passes = true;
    options.run.observer_of = rf::leakcheck::watch_shards(without_stalls());
    return options;
}

rf::task<> lock_twice() {
    rf::sync::mutex a;
    auto held = co_await a.lock();
    auto again = co_await a.lock();
}

rf::task<> wait_for(rf::sync::event& what) { co_await what.wait(); }

rf::task<> never_told() {
    rf::sync::event never;
    co_await wait_for(never);
}

rf::task<> export_metrics() { co_await rf::sleep_for(1h); }

rf::task<> receive(rf::sync::shared_channel<int>& from) { (void)co_await from.receive(); }

rf::task<> drain_the_root() {
    rf::root_nursery().drain(3s);
    co_return;
}

/// A program that drains itself on shard `index`, after `child` has begun there; the others live on
/// until it has ended.
template <class F>
auto drained_on(std::uint32_t index, F child) {
    return [index, child](rf::shard here) -> rf::task<> {
        if (here.index() != index) co_return;
        rf::root_nursery().spawn(child);
        co_await rf::sleep_for(1s);
        co_await drain_the_root();
    };
}

/// What was said from `headline` on to the next report of the run.
std::string report_of(const death& end, const std::string& headline) {
    const std::size_t start = end.said.find(headline);
    if (start == std::string::npos) return {};
    return end.said.substr(start, end.said.find("\nringfence: shard", start) - start);
}

}  // namespace

TEST_CASE("watch_shards: a drain that hangs on one shard is proven there, with shard and line") {
    const death end = run_to_death([] {
        CHECK(rf::test::run_virtual_shards(watched(), drained_on(1, lock_twice)).whole.status == 0);
    });
    CHECK(end.status == 0);
    const std::string report =
        report_of(end, "ringfence: shard 1: the grace period of a drain has passed");
    CAPTURE(end.said);
    CHECK(has(report, "still running, and cancelled now:\nshard 1: PROVEN cycle: a task waits for "
                      "itself\n  task "));
    CHECK(has(report, "lock_twice"));
    CHECK(has(report, "tests/leakcheck/watch_shards_test.cpp:"));
    CHECK(has(report, "events:\n"));
    CHECK_FALSE(end.says("ringfence: shard 0: "));
}

TEST_CASE("watch_shards: a wait that another shard could end is suspect, and never proven") {
    const death end = run_to_death([] {
        rf::sync::shared_channel<int> values(1);
        (void)rf::test::run_virtual_shards(watched(), [values](rf::shard here) -> rf::task<> {
            auto mine = values;
            if (here.index() == 0) {
                rf::root_nursery().spawn(receive, std::ref(mine));
                rf::root_nursery().spawn(never_told);
                rf::root_nursery().spawn_service(export_metrics);
                co_await rf::sleep_for(1s);
                rf::root_nursery().drain(3s);
                co_await rf::sleep_for(5s);
            }
        });
    });
    CHECK(end.status == 0);
    CAPTURE(end.said);
    CHECK(end.says("cancelled now:\nshard 0: suspect drains late: a task waits at "
                   "tests/leakcheck/watch_shards_test.cpp:"));
    CHECK(end.says("receive"));
    CHECK(end.says("never_told"));
    const std::string before_tree = end.said.substr(0, end.said.find("nursery \"root\""));
    CHECK_FALSE(has(before_tree, "export_metrics"));  // the service goes last by itself
    CHECK(end.says("advice: a drain does not end this wait"));
    CHECK_FALSE(end.says("PROVEN"));
}

TEST_CASE("watch_shards: a shard that waits for others alone is not stuck, however long") {
    rf::sync::shared_channel<int> values(1);
    std::shared_ptr<watcher> watch;
    std::uint64_t looks = 0;
    auto options = watched();
    options.run.observer_of = [&](rf::shard here) -> std::shared_ptr<rf::run_observer> {
        if (here.index() != 0) return nullptr;
        return watch = std::make_shared<watcher>(without_stalls());
    };
    auto late = [](rf::sync::shared_channel<int> to) -> rf::task<> {
        co_await rf::sleep_for(60s);
        co_await to.send(1);
    };
    // No timer, nothing in the kernel, nobody who runs: all that is left are the other shards.
    const auto report = rf::test::run_virtual_shards(
        options, rf::test::only_first([&, values]() -> rf::task<> {
            auto mine = values;
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn_on(rf::test::other_shard(), late, values);
                jobs.spawn(never_told);
                co_await receive(mine);
                looks = watch->verdicts()->statistics().looks;
                CHECK(watch->verdicts()->statistics().told == 0);
                CHECK(watch->verdicts()->statistics().tasks_stuck == 0);
                jobs.cancel();
            });
        }));
    CHECK(looks >= 5);
    CHECK(rf::test::left_behind(report) == "");
}

TEST_CASE("watch_shards: a shard that several wait for tells once what its guests wait for") {
    const death end = run_to_death([] {
        auto options = watched();
        options.shards = 3;
        (void)rf::test::run_virtual_shards(options, [](rf::shard here) -> rf::task<> {
            if (here.index() == 1) co_return;
            auto slow = []() -> rf::task<> {
                const rf::finally_options patient{.limit = 1min};
                co_await rf::finally([] { return rf::sleep_for(1h); },
                                     [] { return rf::sleep_for(2s); }, patient);
            };
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn_on(rf::shards()[1], slow);
                co_await rf::sleep_for(1s);
                rf::root_nursery().drain(3s);
            });
        });
    });
    CHECK(end.status == 0);
    CAPTURE(end.said);
    CHECK(end.times_said("the grace period of a drain has passed") == 2);
    CHECK(end.times_said("shard 1: what it runs for other shards") == 1);
}

TEST_CASE("watch_shards: a child that hangs on another shard is told of by that one") {
    rf::test::for_seeds(10, [](std::uint64_t seed) {
        const death end = run_to_death([seed] {
            (void)rf::test::run_virtual_shards(
                watched(seed), drained_on(0, []() -> rf::task<> {
                    co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
                        jobs.spawn_on(rf::test::other_shard(), lock_twice);
                        co_return;
                    });
                }));
        });
        CHECK(end.status == 0);
        CAPTURE(end.said);
        const std::string home =
            report_of(end, "ringfence: shard 0: the grace period of a drain has passed");
        CHECK(has(home, "shard 0: suspect drains late"));
        CHECK(has(home, "remote for task 2 on shard 1"));
        CHECK(has(home, "advice: what it waits for runs on another shard"));
        CHECK_FALSE(has(home, "PROVEN"));
        const std::string there = report_of(
            end, "ringfence: shard 1: what it runs for other shards keeps one of them from ending");
        CHECK(has(there,
                  "\nshard 1: PROVEN cycle: a task waits for itself\n  task 2 \"of shard 0\""));
        CHECK(has(there, "lock_twice"));
        CHECK(has(there, "nursery \"guests\""));
        CHECK(end.times_said("what it runs for other shards") == 1);
    });
}

TEST_CASE("watch_shards: who holds up a cancelled program is told with the shard, guests too") {
    const death end = run_to_death([] {
        (void)rf::test::run_virtual_shards(watched(), [](rf::shard here) -> rf::task<> {
            if (here.index() != 0) co_return;
            auto slow = []() -> rf::task<> {
                const rf::finally_options patient{.limit = 1min};
                co_await rf::finally([] { return rf::sleep_for(1h); },
                                     [] { return rf::sleep_for(8s); }, patient);
            };
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn_on(rf::test::other_shard(), slow);
                all.spawn(slow);
                co_await rf::sleep_for(1s);
                rf::root_nursery().cancel("time to go");
            });
        });
    });
    CHECK(end.status == 0);
    CAPTURE(end.said);
    CHECK(end.says("ringfence: shard 0: cancelled 5.0 s ago (cancelled on request: time to go) and "
                   "not ended; held up by:\nshard 0: suspect unwinds late: "));
    CHECK(end.says("ringfence: shard 1: what it runs for other shards keeps one of them from "
                   "ending:\nshard 1: suspect unwinds late: "));
}

TEST_CASE("watch_shards: findings, late cancels and growth say which shard they are of") {
    struct seen {
        std::shared_ptr<watcher> watch;
        int finding = -1;
        int late = -1;
        int growth = -1;
    };
    std::array<seen, 2> all;
    auto options = watched();
    options.run.observer_of = [&](rf::shard here) {
        all[here.index()].watch = std::make_shared<watcher>(without_stalls());
        return all[here.index()].watch;
    };
    (void)rf::test::run_virtual_shards(options, [&](rf::shard here) -> rf::task<> {
        if (here.index() == 0) co_return;
        seen& mine = all[1];
        mine.watch->verdicts()->on_finding(
            [&](const wait_finding& found) { mine.finding = found.shard; });
        mine.watch->cancels()->on_late([&](const rf::leakcheck::late_cancel& late) {
            mine.late = late.shard;
            CHECK(has(late.text, "shard 1: suspect late cancel: "));
        });
        rf::leakcheck::monitor growth;
        growth.on_growth(
            [&](const rf::leakcheck::growth_warning& found) { mine.growth = found.shard; });
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(lock_twice);
            co_await rf::sleep_for(30s);
            for (int i = 0; i < 30; ++i) {
                for (int each = 0; each < 10; ++each)
                    jobs.spawn(never_told);
                co_await rf::sleep_for(5s);
                growth.sample();
            }
            jobs.spawn([]() -> rf::task<> {
                const rf::finally_options patient{.limit = 1min};
                co_await rf::finally([] { return rf::sleep_for(1h); },
                                     [] { return rf::sleep_for(3s); }, patient);
            });
            co_await rf::sleep_for(1s);
            jobs.cancel();
        });
    });
    CHECK(all[1].finding == 1);
    CHECK(all[1].late == 1);
    CHECK(all[1].growth == 1);
    CHECK(all[0].finding == -1);
}
