// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include "tests/support/has.hpp"
#include <ringfence/leakcheck/watcher.hpp>
#include <ringfence/runtime/run_sharded.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/until_drained.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

using namespace std::chrono_literals;
using rf::leakcheck::stall;
using rf::leakcheck::watcher;
using rf::leakcheck::watcher_options;
using rf::test::death;
using rf::test::has;
using rf::test::run_to_death;
using steady = std::chrono::steady_clock;

namespace {

/// Stops once all shards are there.
rf::task<> raise_when(std::atomic<std::uint32_t>& there, std::uint32_t count) {
    while (there.load() != count)
        co_await rf::sleep_for(1ms);
    std::raise(SIGUSR1);
}

rf::task<> lock_twice() {
    rf::sync::mutex a;
    auto held = co_await a.lock();
    auto again = co_await a.lock();
}

struct counting_observer final : rf::run_observer {
    std::thread::id begun;
    std::thread::id ended;
    std::thread::id* gone = nullptr;

    void begins(rf::loop& owner) override {
        CHECK(&owner == &rf::loop::here());
        CHECK(owner.account().tasks_started == 0);
        begun = std::this_thread::get_id();
    }
    void ends(rf::loop& owner) override {
        CHECK(&owner == &rf::loop::here());
        CHECK(owner.account().tasks_live == 0);
        ended = std::this_thread::get_id();
    }
    ~counting_observer() override {
        if (gone != nullptr) *gone = std::this_thread::get_id();
    }
};

}  // namespace

TEST_SUITE("watch shards threads") {
    TEST_CASE("run_sharded: each shard's observer begins, ends and goes on the shard's thread") {
        struct place {
            std::thread::id made, ran, begun, ended, gone;
        };
        std::array<place, 3> seen;
        rf::sharded_options options;
        options.observer_of = [&](rf::shard here) {
            place& mine = seen[here.index()];
            mine.made = std::this_thread::get_id();
            auto made = std::make_shared<counting_observer>();
            made->gone = &mine.gone;
            return made;
        };
        const auto report = rf::run_sharded_and_report(
            3,
            [&](rf::shard here) -> rf::task<> {
                auto* const mine = dynamic_cast<counting_observer*>(rf::loop::here().observer);
                CHECK(mine != nullptr);
                if (mine == nullptr) co_return;
                seen[here.index()].begun = mine->begun;
                seen[here.index()].ran = std::this_thread::get_id();
            },
            options);
        CHECK(report.whole.status == 0);
        for (const place& each : seen) {
            CHECK(each.ran != std::thread::id());
            CHECK(each.made == each.ran);
            CHECK(each.begun == each.ran);
            CHECK(each.gone == each.ran);
        }
        CHECK(seen[0].ran != seen[1].ran);
    }

    TEST_CASE("run_sharded: an observer that is kept can be read when the run is over") {
        std::array<std::shared_ptr<counting_observer>, 2> kept;
        rf::sharded_options options;
        options.observer_of = [&](rf::shard here) -> std::shared_ptr<rf::run_observer> {
            if (here.index() == 0) return nullptr;  // nobody looks into this one
            return kept[here.index()] = std::make_shared<counting_observer>();
        };
        auto program = []() -> rf::task<> { co_return; };
        CHECK(rf::run_sharded(2, program, options) == 0);
        CHECK(kept[0] == nullptr);
        REQUIRE(kept[1] != nullptr);
        CHECK(kept[1]->ended == kept[1]->begun);
        CHECK(kept[1]->ended != std::this_thread::get_id());
    }

    TEST_CASE("watch_shards: a task that holds the loop of one shard is told of with its shard") {
        std::atomic<int> told{-1};
        std::string text;  // written once, before `told`
        watcher_options watching;
        watching.stalls.on_stall = [&](const stall& seen) {
            if (told.load() != -1) return;
            text = seen.text;
            told = seen.shard;
        };
        rf::sharded_options options;
        options.observer_of = rf::leakcheck::watch_shards(watching);
        const auto report = rf::run_sharded_and_report(
            2,
            [&](rf::shard here) -> rf::task<> {
                if (here.index() == 0) co_return;
                const auto end = steady::now() + 10s;
                while (told.load() == -1 && steady::now() < end) {
                }
            },
            options);
        CHECK(report.whole.status == 0);
        CHECK(told.load() == 1);
        CHECK(has(text, "shard 1: suspect stall: "));
        CHECK(has(text, "holds the loop for"));
    }

    TEST_CASE("watch_shards: a drain that hangs on one shard ends with a verdict that names it") {
        const death end = run_to_death([] {
            std::atomic<std::uint32_t> there{0};
            rf::sharded_options options;
            options.run.stop_on = {SIGUSR1};
            options.run.drain_grace = 30ms;
            watcher_options watching;
            watching.stalls.threshold = 0ns;
            options.observer_of = rf::leakcheck::watch_shards(watching);
            std::_Exit(rf::run_sharded(
                3,
                [&](rf::shard here) -> rf::task<> {
                    ++there;
                    if (here.index() == 0) co_await raise_when(there, 3);
                    if (here.index() == 1) {
                        rf::this_task::set_name("stuck");
                        co_await lock_twice();
                    }
                    co_await rf::until_drained([] { return rf::sleep_for(1h); });
                },
                options));
        });
        CAPTURE(end.said);
        CHECK(end.status == 0);
        CHECK(end.says("ringfence: shard 1: the grace period of a drain has passed; still running, "
                       "and cancelled now:\nshard 1: PROVEN cycle: a task waits for itself\n"
                       "  task 1 \"stuck\" (spawned at"));
        CHECK(end.says("tests/leakcheck/watch_shards_threads_test.cpp:"));
        CHECK_FALSE(end.says("shard 0"));
        CHECK_FALSE(end.says("shard 2"));
    }

    TEST_CASE("watch_shards: what is stuck on several shards is told of by each") {
        const death end = run_to_death([] {
            std::atomic<std::uint32_t> there{0};
            rf::sharded_options options;
            options.run.stop_on = {SIGUSR1};
            options.run.drain_grace = 30ms;
            options.observer_of = rf::leakcheck::watch_shards();
            std::_Exit(rf::run_sharded(
                2,
                [&](rf::shard here) -> rf::task<> {
                    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                        jobs.spawn_on(rf::shards()[1 - here.index()], lock_twice);
                        jobs.spawn(lock_twice);
                        ++there;
                        if (here.index() == 1) co_await raise_when(there, 2);
                        while (!rf::this_task::draining())
                            co_await rf::sleep_for(1ms);
                    });
                },
                options));
        });
        CAPTURE(end.said);
        CHECK(end.status == 0);
        for (const std::string shard : {"shard 0", "shard 1"}) {
            CHECK(end.says("ringfence: " + shard + ": the grace period of a drain has passed"));
            CHECK(end.says("\n" + shard + ": PROVEN cycle"));
        }
    }

#if RF_EXCEPTIONS
    TEST_CASE("run_sharded: an observer that cannot be made on one shard keeps all from starting") {
        std::atomic<int> ran{0};
        std::atomic<int> ended{0};
        struct ends_too final : rf::run_observer {
            std::atomic<int>& ended;
            explicit ends_too(std::atomic<int>& count) : ended(count) {}
            void ends(rf::loop&) override { ++ended; }
        };
        rf::sharded_options options;
        options.observer_of = [&](rf::shard here) -> std::shared_ptr<rf::run_observer> {
            if (here.index() == 2) throw std::runtime_error("no room for a log");
            return std::make_shared<ends_too>(ended);
        };
        const auto report = rf::run_sharded_and_report(
            3,
            [&]() -> rf::task<> {
                ++ran;
                co_return;
            },
            options);
        CHECK(report.whole.status == rf::exit_status_failure);
        CHECK(report.whole.refusal ==
              "shard 2 of 3 cannot start: what should watch it cannot be made (no room for a log): "
              "correct what sharded_options::observer_of makes, or leave it out");
        CHECK(ran.load() == 0);
        CHECK(ended.load() == 2);
    }

    TEST_CASE("watch_shards: options that a part refuses are said before anything starts") {
        watcher_options watching;
        watching.stalls.threshold = 1us;
        rf::sharded_options options;
        options.observer_of = rf::leakcheck::watch_shards(watching);
        auto program = []() -> rf::task<> { co_return; };
        const auto report = rf::run_sharded_and_report(2, program, options);
        CHECK(has(report.whole.refusal, "cannot start: what should watch it cannot be made "
                                        "(leakcheck::stall_detector: a threshold of 1000 ns"));
    }
#endif
}
