// SPDX-License-Identifier: MIT
#include <ringfence/runtime/run_sharded.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tests/support/death.hpp>
#include <unistd.h>

using namespace std::chrono_literals;
using rf::test::death;
using rf::test::run_to_death;

namespace {

constexpr std::uint32_t shard_count = 3;

// What the program of each shard is called.
constexpr const char* names[shard_count] = {"the first", "the second", "the third"};

rf::task<> until_there(const std::atomic<std::uint32_t>& there) {
    while (there.load() != shard_count)
        co_await rf::sleep_for(1ms);
}

/// On each other shard, after what has been sent there before.
rf::task<> visit_others() {
    co_await rf::with_nursery([](rf::nursery& visits) -> rf::task<> {
        for (const rf::shard& each : rf::shards())
            if (each != rf::this_shard()) visits.spawn_on(each, []() -> rf::task<> { co_return; });
        co_return;
    });
}

/// Three times SIGTERM, once nobody can be cancelled any more, on shard 0.
rf::task<> stop_three_times(const std::atomic<std::uint32_t>& there) {
    co_await until_there(there);
    for (int i = 0; i < 3; ++i) {
        co_await rf::sleep_for(1ms);
        std::raise(SIGTERM);
    }
    co_await rf::sleep_forever();
}

rf::sharded_options stopped_by_term() {
    rf::sharded_options options;
    options.run.stop_on = {SIGTERM};
    return options;
}

/// The part of what was said that is about one shard; empty if there is none.
std::string about_shard(const death& end, std::uint32_t index) {
    const std::size_t start = end.said.find(fmt::format("shard {}: ringfence: ", index));
    if (start == std::string::npos) return {};
    return end.said.substr(start, end.said.find("\nshard ", start) - start);
}

}  // namespace

TEST_SUITE("shard dump threads") {
    TEST_CASE("run_sharded: SIGQUIT prints the task tree of every shard, and the run goes on") {
        const death end = run_to_death([] {
            std::atomic<std::uint32_t> there{0};
            std::atomic<bool> done{false};
            const int status = rf::run_sharded(shard_count, [&](rf::shard here) -> rf::task<int> {
                rf::this_task::set_name(names[here.index()]);
                ++there;
                if (here.index() != 0) {
                    while (!done.load())
                        co_await rf::sleep_for(1ms);
                    co_return 0;
                }
                co_await until_there(there);
                for (int i = 0; i < 2; ++i) {
                    std::raise(SIGQUIT);
                    co_await rf::sleep_for(1ms);  // so that this loop has seen it
                    co_await visit_others();      // who answer in the order they are told
                }
                done = true;
                co_return 6;
            });
            std::_Exit(status);
        });
        CHECK(end.status == 6);
        for (std::uint32_t index = 0; index < shard_count; ++index) {
            const std::string tree = about_shard(end, index);
            CAPTURE(tree);
            CHECK(tree.find("nursery \"root\"") != std::string::npos);
            // In whichever wait it is found: the thread sanitizer delivers signals late.
            CHECK(tree.find(fmt::format("\"{}\": ", names[index])) != std::string::npos);
            CHECK(tree.find("shard_dump_threads_test.cpp:") != std::string::npos);
            CHECK(end.times_said(fmt::format("shard {}: ringfence: ", index)) == 2);
        }
    }

    TEST_CASE("run_sharded: without dump_on_quit, SIGQUIT does what it always did") {
        const death end = run_to_death([] {
            std::signal(SIGQUIT, [](int) { std::_Exit(33); });
            rf::sharded_options options;
            options.run.dump_on_quit = false;
            (void)rf::run_sharded(
                2,
                [](rf::shard here) -> rf::task<> {
                    if (here.index() == 0) std::raise(SIGQUIT);
                    co_return;
                },
                options);
        });
        CHECK(end.status == 33);
        CHECK(end.said == "");
    }

    TEST_CASE("run_sharded: the third stop signal aborts with the task tree of every shard") {
        const death end = run_to_death([] {
            std::atomic<std::uint32_t> there{0};
            (void)rf::run_sharded(
                shard_count,
                [&](rf::shard here) -> rf::task<> {
                    rf::this_task::set_name(names[here.index()]);
                    ++there;
                    if (here.index() == 0) co_await rf::shield(1h, stop_three_times(there));
                    co_await rf::shield(1h, rf::sleep_forever());
                },
                stopped_by_term());
        });
        CHECK(end.signal == SIGABRT);
        CHECK(end.says("ringfence: third stop signal (15); aborting with"));
        for (std::uint32_t index = 0; index < shard_count; ++index) {
            const std::string tree = about_shard(end, index);
            CAPTURE(tree);
            CHECK(tree.find(fmt::format("\"{}\": sleep for sleep without end", names[index])) !=
                  std::string::npos);
            CHECK(tree.find("CANCELLED") != std::string::npos);
            CHECK(tree.find("cancelled on request: signal 15") != std::string::npos);
        }
        CHECK_FALSE(end.says("gave no answer"));
    }

    TEST_CASE("run_sharded: a shard whose thread is stuck cannot keep the third signal from it") {
        const death end = run_to_death([] {
            std::atomic<std::uint32_t> there{0};
            (void)rf::run_sharded(
                shard_count,
                [&](rf::shard here) -> rf::task<> {
                    rf::this_task::set_name(names[here.index()]);
                    ++there;
                    while (here.index() == 2)
                        ::pause();
                    if (here.index() == 0) co_await rf::shield(1h, stop_three_times(there));
                    co_await rf::shield(1h, rf::sleep_forever());
                },
                stopped_by_term());
        });
        CHECK(end.signal == SIGABRT);
        CHECK(end.says("\"the first\""));
        CHECK(end.says("\"the second\""));
        CHECK_FALSE(end.says("\"the third\""));
        CHECK(end.says("shard 2: gave no answer"));
    }
}
