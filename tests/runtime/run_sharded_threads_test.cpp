// SPDX-License-Identifier: MIT
#include <ringfence/runtime/processors.hpp>
#include <ringfence/runtime/run_sharded.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/until_drained.hpp>
#include <ringfence/runtime/uring_driver.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <sched.h>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

void check_clean(const rf::sharded_report& report, std::size_t count) {
    CHECK(report.whole.refusal == "");
    CHECK(report.shards.size() == count);
    for (const rf::run_report& one : report.shards) {
        CHECK(one.leaks == "");
        CHECK(one.final.empty());
    }
}

rf::sharded_options stopped_on(int signal) {
    rf::sharded_options options;
    options.run.stop_on = {signal};
    return options;
}

rf::task<long> add(std::unique_ptr<long> a, long b) { co_return *a + b; }

/// Takes its time to go, so that whoever does not wait for it is seen.
struct slow_to_go {
    std::atomic<bool>* went_on;
    std::atomic<bool>* gone;
    slow_to_go(std::atomic<bool>& went_on_flag, std::atomic<bool>& gone_flag)
        : went_on(&went_on_flag), gone(&gone_flag) {}
    slow_to_go(slow_to_go&& other) noexcept
        : went_on(other.went_on), gone(std::exchange(other.gone, nullptr)) {}
    slow_to_go& operator=(slow_to_go&&) = delete;
    ~slow_to_go() {
        if (gone == nullptr) return;
        for (int i = 0; i < 5000 && !went_on->load(); ++i)
            std::this_thread::yield();
        gone->store(true);
    }
};

// Raises `signal` once all shards are there.
rf::task<> raise_when(std::atomic<std::uint32_t>& there, std::uint32_t count, int signal) {
    while (there.load() != count)
        co_await rf::sleep_for(1ms);
    ::raise(signal);
}

}  // namespace

TEST_SUITE("sharded threads") {
    TEST_CASE(
        "run_sharded: each shard has a thread and a loop of its own; the first is the caller's") {
        constexpr std::uint32_t count = 4;
        std::vector<std::thread::id> threads(count);
        std::vector<rf::loop*> loops(count);
        const auto report = rf::run_sharded_and_report(count, [&](rf::shard here) -> rf::task<> {
            CHECK(here == rf::this_shard());
            CHECK(rf::shards().size() == count);
            CHECK(rf::shards()[here.index()] == here);
            threads[here.index()] = std::this_thread::get_id();
            loops[here.index()] = &rf::loop::here();
            co_return;
        });
        check_clean(report, count);
        CHECK(report.whole.status == 0);
        CHECK(threads[0] == std::this_thread::get_id());
        CHECK(std::set(threads.begin(), threads.end()).size() == count);
        CHECK(std::set(loops.begin(), loops.end()).size() == count);
    }

    TEST_CASE(
        "run_sharded: the status is the first that is not 0; under plain run there are no shards") {
        CHECK(rf::run_sharded(3, [](rf::shard here) -> rf::task<int> {
                  co_return static_cast<int>(here.index()) * 7;
              }) == 7);
        CHECK(rf::run([]() -> rf::task<> {
                  CHECK_FALSE(rf::this_shard());
                  CHECK(rf::shards().empty());
                  co_return;
              }) == 0);
    }

    TEST_CASE("run_sharded: children travel both ways at full speed, and none is lost") {
        constexpr long each = 500;
        std::atomic<long> sum{0};
        const auto report = rf::run_sharded_and_report(3, [&](rf::shard here) -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                auto one = [&](long number) -> rf::task<> {
                    if (number % 3 == 0) co_await rf::this_task::yield();
                    sum += number;
                };
                for (long i = 0; i < each; ++i) {
                    jobs.spawn_on(rf::shards()[static_cast<std::size_t>(i) % 3], one, i);
                    if (i % 16 == 0) co_await rf::this_task::yield();
                }
                auto handle = jobs.async_on(rf::shards()[(here.index() + 1) % 3], add,
                                            std::make_unique<long>(40), 2L);
                const long got = co_await handle;
                CHECK(got == 42);
            });
        });
        check_clean(report, 3);
        CHECK(report.whole.status == 0);
        CHECK(sum.load() == 3 * each * (each - 1) / 2);
    }

    TEST_CASE("spawn_on: the nursery goes on only when what the child was given is gone") {
        std::atomic<bool> went_on{false};
        std::atomic<bool> gone{false};
        const auto report = rf::run_sharded_and_report(2, [&](rf::shard here) -> rf::task<> {
            if (here.index() != 0) co_return;
            auto child = [](const slow_to_go&) -> rf::task<> { co_return; };
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn_on(rf::shards()[1], child, slow_to_go(went_on, gone));
                co_return;
            });
            CHECK(gone.load());
            went_on = true;
        });
        check_clean(report, 2);
    }

    TEST_CASE("run_sharded: cancels and completions that cross lose nothing") {
        std::atomic<long> alive{0};
        const auto report = rf::run_sharded_and_report(2, [&](rf::shard here) -> rf::task<> {
            const rf::shard other = rf::shards()[1 - here.index()];
            struct counted {
                std::atomic<long>* of;
                explicit counted(std::atomic<long>& all) : of(&all) { ++all; }
                counted(counted&& from) noexcept : of(std::exchange(from.of, nullptr)) {}
                counted& operator=(counted&&) = delete;
                ~counted() {
                    if (of != nullptr) --*of;
                }
            };
            auto child = [](counted, int i) -> rf::task<> {
                if (i % 2 == 0) co_await rf::sleep_for(std::chrono::microseconds(i));
            };
            for (int i = 0; i < 300; ++i) {
                (void)co_await rf::move_on_after(std::chrono::microseconds(i), [&]() -> rf::task<> {
                    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                        jobs.spawn_on(other, child, counted(alive), i);
                        jobs.spawn_on(other, child, counted(alive), 2 * i);
                        co_return;
                    });
                });
            }
        });
        check_clean(report, 2);
        CHECK(report.whole.status == 0);
        CHECK(alive.load() == 0);
    }

    TEST_CASE("run_sharded: the first signal drains all shards if anybody listens on any") {
        std::atomic<std::uint32_t> there{0};
        std::atomic<std::uint32_t> drained{0};
        const auto report = rf::run_sharded_and_report(
            3,
            [&](rf::shard here) -> rf::task<> {
                ++there;
                if (here.index() == 0) co_await raise_when(there, 3, SIGUSR1);
                auto forever = []() -> rf::task<> { co_await rf::sleep_for(1h); };
                if (here.index() == 1) {
                    co_await rf::until_drained(forever);
                    ++drained;
                    co_return;
                }
                while (!rf::this_task::draining())
                    co_await rf::sleep_for(1ms);
                ++drained;
            },
            stopped_on(SIGUSR1));
        check_clean(report, 3);
        CHECK(report.whole.status == 0);
        CHECK(report.whole.stopped_by == SIGUSR1);
        CHECK_FALSE(report.whole.cancelled);
        CHECK(drained.load() == 3);
    }

    TEST_CASE("run_sharded: where nobody listens for drains, the first signal cancels all") {
        std::atomic<std::uint32_t> there{0};
        const auto report = rf::run_sharded_and_report(
            2,
            [&](rf::shard here) -> rf::task<> {
                ++there;
                if (here.index() == 1) co_await raise_when(there, 2, SIGUSR1);
                co_await rf::sleep_for(1h);
            },
            stopped_on(SIGUSR1));
        check_clean(report, 2);
        CHECK(report.whole.status == 0);
        CHECK(report.whole.cancelled);
    }

    TEST_CASE("run_sharded: the second signal cancels what is still there, on all shards") {
        std::atomic<std::uint32_t> draining{0};
        std::atomic<std::uint32_t> there{0};
        const auto report = rf::run_sharded_and_report(
            2,
            [&](rf::shard here) -> rf::task<> {
                ++there;
                if (here.index() == 0) co_await raise_when(there, 2, SIGUSR1);
                while (!rf::this_task::draining())
                    co_await rf::sleep_for(1ms);
                ++draining;
                if (here.index() == 1) co_await raise_when(draining, 2, SIGUSR1);
                co_await rf::sleep_for(1h);
            },
            stopped_on(SIGUSR1));
        check_clean(report, 2);
        CHECK(report.whole.status == 128 + SIGUSR1);
        CHECK(report.whole.cancelled);
    }

    TEST_CASE(
        "run_sharded: pinned shards run on processors the process may use; the caller is freed") {
        cpu_set_t before;
        CPU_ZERO(&before);
        REQUIRE(sched_getaffinity(0, sizeof before, &before) == 0);
        std::atomic<int> pinned{0};
        const auto report = rf::run_sharded_and_report(
            2,
            [&]() -> rf::task<> {
                cpu_set_t mine;
                CPU_ZERO(&mine);
                if (sched_getaffinity(0, sizeof mine, &mine) == 0 && CPU_COUNT(&mine) == 1)
                    ++pinned;
                co_return;
            },
            {.run = {}, .pin = true});
        check_clean(report, 2);
        CHECK(pinned.load() == 2);
        cpu_set_t after;
        CPU_ZERO(&after);
        REQUIRE(sched_getaffinity(0, sizeof after, &after) == 0);
        CHECK(CPU_EQUAL(&before, &after));
    }

    TEST_CASE("run_sharded: a ring that cannot be had on one shard keeps all from starting") {
        rf::detail::shard_makers makers;
        makers.kernel = [](std::uint32_t index,
                           std::string& refusal) -> std::unique_ptr<rf::driver> {
            if (index != 1) return rf::make_uring_driver({}, refusal);
            refusal = "no memory for a ring: raise RLIMIT_MEMLOCK";
            return nullptr;
        };
        std::atomic<int> ran{0};
        auto program = [&]() -> rf::task<> {
            ++ran;
            co_return;
        };
        const auto report = rf::detail::run_shards(rf::detail::shard_programs(3, program), {},
                                                   makers, std::source_location::current());
        CHECK(report.whole.status == rf::exit_status_failure);
        CHECK(report.whole.refusal ==
              "shard 1 of 3 cannot start: no memory for a ring: raise RLIMIT_MEMLOCK");
        CHECK(report.shards.empty());
        CHECK(ran.load() == 0);
    }

    TEST_CASE(
        "run_sharded: a thread that cannot be had keeps all from starting, with cause and remedy") {
        rf::detail::shard_makers makers;
        makers.thread = [](pthread_t* thread, void* (*body)(void*), void* argument) {
            static std::atomic<int> calls{0};
            return ++calls == 2 ? EAGAIN : pthread_create(thread, nullptr, body, argument);
        };
        std::atomic<int> ran{0};
        auto program = [&]() -> rf::task<> {
            ++ran;
            co_return;
        };
        const auto report = rf::detail::run_shards(rf::detail::shard_programs(4, program), {},
                                                   makers, std::source_location::current());
        CHECK(report.whole.status == rf::exit_status_failure);
        CHECK(report.whole.refusal.find("shard 2 of 4 cannot start: its thread could not be "
                                        "started") == 0);
        CHECK(report.whole.refusal.find("ulimit -u") != std::string::npos);
        CHECK(ran.load() == 0);
    }

#if RF_EXCEPTIONS
    TEST_CASE(
        "run_sharded: a shard that fails cancels the others, and its error is the one reported") {
        const auto report = rf::run_sharded_and_report(3, [](rf::shard here) -> rf::task<> {
            if (here.index() == 2) {
                co_await rf::sleep_for(5ms);
                throw std::runtime_error("shard 2 broke");
            }
            auto guest = []() -> rf::task<> { co_await rf::sleep_for(1h); };
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn_on(rf::shards()[2], guest);
                co_await rf::sleep_for(1h);
            });
        });
        check_clean(report, 3);
        CHECK(report.whole.status == rf::exit_status_failure);
        CHECK(report.failed_shard == 2);
        REQUIRE(report.whole.error != nullptr);
        CHECK_THROWS_WITH(std::rethrow_exception(report.whole.error), "shard 2 broke");
        CHECK(report.shards[0].cancelled);
        CHECK(report.shards[1].cancelled);
    }
#endif
}
