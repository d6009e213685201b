// SPDX-License-Identifier: MIT
#include "tests/support/lifetime_tracker.hpp"
#include "tests/support/run_sim.hpp"
#include "tests/support/virtual_shards.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using rf::test::explore;
using rf::test::only_first;
using rf::test::other_shard;
using rf::test::yield_times;

namespace {

/// Counts what lives, on whatever shard.
struct tracked {
    static inline int alive = 0;
    bool real = true;
    tracked() { ++alive; }
    tracked(tracked&& other) noexcept : real(std::exchange(other.real, false)) {}
    tracked& operator=(tracked&&) = delete;
    ~tracked() {
        if (real) --alive;
    }
};

}  // namespace

TEST_CASE("spawn_on: the child runs on its shard, and its result comes back by move") {
    rf::test::for_seeds(50, [](std::uint64_t seed) {
        std::uint32_t ran_on = 99;
        int got = 0;
        const auto report = explore(
            seed, 3, only_first([&]() -> rf::task<> {
                auto twice = [&](std::unique_ptr<int> number) -> rf::task<std::unique_ptr<int>> {
                    ran_on = rf::this_shard().index();
                    co_await rf::this_task::yield();
                    *number *= 2;
                    co_return std::move(number);
                };
                co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                    auto handle = jobs.async_on(rf::shards()[2], twice, std::make_unique<int>(21));
                    std::unique_ptr<int> back = co_await handle;
                    got = *back;
                    CHECK(rf::this_shard().index() == 0);
                });
            }));
        CHECK(report.whole.status == 0);
        CHECK(ran_on == 2);
        CHECK(got == 42);
    });
}

TEST_CASE("spawn_on: the nursery waits for children on all shards, whose programs have ended") {
    rf::test::for_seeds(50, [](std::uint64_t seed) {
        int ended = 0;
        tracked::alive = 0;
        const auto report =
            explore(seed, 3, only_first([&]() -> rf::task<> {
                        auto child = [&](tracked, int length) -> rf::task<> {
                            co_await yield_times(length);
                            ++ended;
                        };
                        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                            for (int i = 0; i < 12; ++i)
                                jobs.spawn_on(rf::shards()[static_cast<std::size_t>(i % 3)], child,
                                              tracked(), i);
                            co_return;
                        });
                        CHECK(ended == 12);
                        CHECK(tracked::alive == 0);
                        for (const rf::shard& each : rf::shards())
                            CHECK(each.load() == 0);
                    }));
        CHECK(report.whole.status == 0);
        CHECK(tracked::alive == 0);
    });
}

TEST_CASE("spawn_on: a cancel that crosses the end leaves no trace, whichever wins") {
    int finished = 0;
    int cancelled = 0;
    rf::test::for_seeds(300, [&](std::uint64_t seed) {
        tracked::alive = 0;
        bool body_ran_to_its_end = false;
        rf::nursery_statistics seen;
        const auto report =
            explore(seed, 2, only_first([&]() -> rf::task<> {
                        auto child = [&](tracked) -> rf::task<> {
                            co_await yield_times(seed % 5);
                            body_ran_to_its_end = true;
                        };
                        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                            auto one = jobs.async_on(other_shard(), child, tracked());
                            co_await yield_times(seed % 7);
                            one.cancel();
                            while (!one.ended())
                                co_await rf::this_task::yield();
                            seen = jobs.statistics();
                        });
                    }));
        CHECK(report.whole.status == 0);
        CHECK(tracked::alive == 0);
        CHECK(seen.failed == 0);
        CHECK(seen.cancelled == (body_ran_to_its_end ? 0 : 1));
        ++(body_ran_to_its_end ? finished : cancelled);
    });
    if (std::getenv("RF_TEST_SEED") == nullptr) {
        CHECK(finished > 20);
        CHECK(cancelled > 20);
    }
}

TEST_CASE("spawn_on: one cancelled before it arrives is destroyed there without running") {
    rf::test::for_seeds(30, [](std::uint64_t seed) {
        tracked::alive = 0;
        bool ran = false;
        const auto report =
            explore(seed, 2, only_first([&]() -> rf::task<> {
                        auto child = [&](tracked) -> rf::task<> {
                            ran = true;
                            co_return;
                        };
                        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                            auto one = jobs.async_on(other_shard(), child, tracked());
                            one.cancel();
                            co_return;
                        });
                    }));
        CHECK(report.whole.status == 0);
        CHECK_FALSE(ran);
        CHECK(tracked::alive == 0);
    });
}

TEST_CASE("spawn_on: children both ways, each in a nursery of the other's child, unwind together") {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        tracked::alive = 0;
        const auto report = explore(seed, 2, [](rf::shard here) -> rf::task<> {
            auto leaf = [](tracked) -> rf::task<> { co_await rf::sleep_for(1h); };
            auto branch = [leaf](tracked, rf::shard home) -> rf::task<> {
                co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                    jobs.spawn_on(home, leaf, tracked());
                    co_await rf::sleep_for(1h);
                });
            };
            (void)co_await rf::move_on_after(3ms, [&]() -> rf::task<> {
                co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                    jobs.spawn_on(other_shard(), branch, tracked(), here);
                    co_await rf::sleep_for(1h);
                });
            });
        });
        CHECK(report.whole.status == 0);
        CHECK(tracked::alive == 0);
    });
}

TEST_CASE("spawn_on: a drain reaches the child, also one that is on its way") {
    rf::test::for_seeds(50, [](std::uint64_t seed) {
        int drained = 0;
        const auto report =
            explore(seed, 2, only_first([&]() -> rf::task<> {
                        auto child = [&]() -> rf::task<> {
                            while (!rf::this_task::draining())
                                co_await rf::this_task::yield();
                            ++drained;
                        };
                        co_await rf::with_nursery({.spawn_while_draining = true},
                                                  [&](rf::nursery& jobs) -> rf::task<> {
                                                      jobs.spawn_on(other_shard(), child);
                                                      co_await yield_times(seed % 6);
                                                      jobs.drain(1h);
                                                      jobs.spawn_on(other_shard(), child);
                                                  });
                    }));
        CHECK(report.whole.status == 0);
        CHECK(drained == 2);
    });
}

TEST_CASE("spawn_on: both task trees name the child") {
    std::string at_home;
    std::string there;
    const auto report = explore(1, 2, only_first([&]() -> rf::task<> {
                                    auto child = [&]() -> rf::task<> {
                                        there = rf::task_tree(rf::loop::here());
                                        co_await yield_times(20);
                                    };
                                    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                                        jobs.spawn_on(other_shard(), child);
                                        while (there.empty())
                                            co_await rf::this_task::yield();
                                        at_home = rf::task_tree(rf::loop::here());
                                    });
                                }));
    CHECK(report.whole.status == 0);
    CHECK(at_home.find("remote for task 2 on shard 1") != std::string::npos);
    CHECK(there.find("nursery \"guests\", 1 alive") != std::string::npos);
    CHECK(there.find("task 2 \"of shard 0\": running") != std::string::npos);
    INFO(at_home << there);
}

TEST_CASE(
    "spawn_on: a daemon that a guest asks for after its shard's program has ended is refused") {
#if RF_EXCEPTIONS
    bool refused = false;
    const auto report =
        explore(1, 2, only_first([&]() -> rf::task<> {
                    auto child = [&]() -> rf::task<> {
                        co_await yield_times(50);
                        try {
                            rf::root_nursery().spawn_service([]() -> rf::task<> { co_return; });
                        } catch (const rf::nursery_closed&) {
                            refused = true;
                        }
                    };
                    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                        jobs.spawn_on(other_shard(), child);
                        co_return;
                    });
                }));
    CHECK(report.whole.status == 0);
    CHECK(refused);
#endif
}

#if RF_EXCEPTIONS
TEST_CASE("spawn_on: a failure is moved back and is dealt with by the nursery's policy") {
    rf::test::for_seeds(50, [](std::uint64_t seed) {
        tracked::alive = 0;
        std::string caught;
        const auto report =
            explore(seed, 2, only_first([&]() -> rf::task<> {
                        auto child = [](tracked) -> rf::task<int> {
                            co_await rf::this_task::yield();
                            throw std::runtime_error("from afar");
                        };
                        auto sibling = [](tracked) -> rf::task<> { co_await rf::sleep_for(1h); };
                        try {
                            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                                jobs.spawn_on(other_shard(), sibling, tracked());
                                jobs.spawn_on(other_shard(), child, tracked());
                                co_await rf::sleep_for(1h);
                            });
                        } catch (const std::runtime_error& error) {
                            caught = error.what();
                        }
                    }));
        CHECK(report.whole.status == 0);
        CHECK(caught == "from afar");
        CHECK(tracked::alive == 0);
    });
}

TEST_CASE("run_sharded: a shard that fails cancels the others, and its error is the one reported") {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        tracked::alive = 0;
        const auto report = explore(seed, 3, [](rf::shard here) -> rf::task<> {
            tracked mine;
            auto guest = [](tracked) -> rf::task<> { co_await rf::sleep_for(1h); };
            if (here.index() == 1) {
                co_await yield_times(10);
                throw std::runtime_error("shard 1 broke");
            }
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn_on(other_shard(), guest, tracked());
                co_await rf::sleep_for(1h);
            });
        });
        CHECK(report.whole.status == rf::exit_status_failure);
        CHECK(report.failed_shard == 1);
        REQUIRE(report.whole.error != nullptr);
        CHECK_THROWS_WITH_AS(std::rethrow_exception(report.whole.error), "shard 1 broke",
                             std::runtime_error);
        CHECK(report.shards[0].cancelled);
        CHECK(report.shards[2].cancelled);
        CHECK(tracked::alive == 0);
    });
}
#endif
