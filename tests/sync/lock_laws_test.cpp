// SPDX-License-Identifier: MIT
// What holds for everything that lets tasks through one after the other, whatever its name.
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/bulkhead.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/once.hpp>
#include <ringfence/sync/rw_lock.hpp>
#include <ringfence/sync/semaphore.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <random>
#include <source_location>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rf::test::run_sim;

namespace {

// Passed on, because some of these are made inside std::optional, which is no line to report.
constexpr std::source_location made_here = std::source_location::current();

// Each type as the laws see it: lock() is what is tested, block() what it has to wait for.

struct of_mutex {
    static constexpr const char* kind = "mutex";
    static constexpr int at_once = 1;
    auto lock() { return it.lock(); }
    auto block() { return it.lock(); }
    auto try_lock() { return it.try_lock(); }
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    [[nodiscard]] std::uint64_t taken() const { return it.statistics().locks; }
    rf::sync::mutex it{made_here};
};

struct of_rw_lock_for_writers {
    static constexpr const char* kind = "rw_lock";
    static constexpr int at_once = 1;
    auto lock() { return it.lock(); }
    auto block() { return it.lock_shared(); }
    auto try_lock() { return it.try_lock(); }
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    [[nodiscard]] std::uint64_t taken() const {
        return it.statistics().exclusive + it.statistics().shared;
    }
    rf::sync::rw_lock it{made_here};
};

struct of_rw_lock_for_readers : of_rw_lock_for_writers {
    static constexpr int at_once = 1'000'000;
    auto lock() { return it.lock_shared(); }
    auto block() { return it.lock(); }
    auto try_lock() { return it.try_lock_shared(); }
};

template <std::size_t Permits, std::size_t Wanted>
struct of_semaphore {
    static constexpr const char* kind = "semaphore";
    static constexpr int at_once = Permits / Wanted;
    auto lock() { return it.acquire(Wanted); }
    auto block() { return it.acquire(Permits); }
    auto try_lock() { return it.try_acquire(Wanted); }
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    [[nodiscard]] std::uint64_t taken() const { return it.statistics().acquired; }
    rf::sync::semaphore it{Permits, made_here};
};

struct of_bulkhead {
    static constexpr const char* kind = "bulkhead";
    static constexpr int at_once = 1;
    auto lock() { return it.enter(); }
    auto block() { return it.enter(); }
    auto try_lock() { return it.try_enter(); }
    [[nodiscard]] std::size_t waiting() const {
        return static_cast<std::size_t>(it.statistics().waiting);
    }
    [[nodiscard]] std::uint64_t taken() const { return it.statistics().admitted; }
    rf::sync::bulkhead it{{.concurrent = 1, .queue = 1000}, made_here};
};

// Until somebody finishes, the turn to do the work is a lock.
struct of_once {
    static constexpr const char* kind = "once";
    static constexpr int at_once = 1;
    auto lock() { return it.begin(); }
    auto block() { return it.begin(); }
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    [[nodiscard]] std::uint64_t taken() const { return it.statistics().attempts; }
    rf::sync::once it{made_here};
};

using one_permit = of_semaphore<1, 1>;
using three_permits = of_semaphore<3, 1>;
using all_permits = of_semaphore<4, 4>;

#define LOCKS                                                                                      \
    of_mutex, of_rw_lock_for_writers, of_rw_lock_for_readers, one_permit, three_permits,           \
        all_permits, of_bulkhead, of_once

template <class Lock>
rf::task<> hold(Lock& lock, std::vector<int>& order, int number,
                std::chrono::nanoseconds how_long = 1ms) {
    auto held = co_await lock.lock();
    CHECK(static_cast<bool>(held));
    order.push_back(number);
    co_await rf::sleep_for(how_long);
}

}  // namespace

TEST_CASE_TEMPLATE("lock laws: never more inside than may be, and all get in", Lock, LOCKS) {
    run_sim([]() -> rf::task<> {
        Lock lock;
        int inside = 0;
        int most = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 20; ++i)
                all.spawn([&]() -> rf::task<> {
                    auto held = co_await lock.lock();
                    most = std::max(most, ++inside);
                    co_await rf::sleep_for(1ms);
                    --inside;
                });
            co_return;
        });
        CHECK(inside == 0);
        CHECK(most == std::min(20, Lock::at_once));
        CHECK(lock.taken() == 20);
        CHECK(lock.waiting() == 0);
    });
}

TEST_CASE_TEMPLATE("lock laws: first come, first served", Lock, LOCKS) {
    run_sim([]() -> rf::task<> {
        Lock lock;
        std::vector<int> order;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto mine = co_await lock.block();
            for (int i = 0; i < 10; ++i) {
                all.spawn(&hold<Lock>, std::ref(lock), std::ref(order), i, 1ms);
                co_await rf::sleep_for(1us);
                CHECK(lock.waiting() == static_cast<std::size_t>(i + 1));
            }
            CHECK(order.empty());
        });
        CHECK(order == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    });
}

TEST_CASE_TEMPLATE("lock laws: what was handed to a waiter is not to be had by a newcomer", Lock,
                   LOCKS) {
    run_sim([]() -> rf::task<> {
        Lock lock;
        std::vector<int> order;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            std::optional mine(co_await lock.block());
            for (int i = 0; i < 4; ++i)
                all.spawn(&hold<Lock>, std::ref(lock), std::ref(order), i, 1ms);
            co_await rf::sleep_for(1ms);
            mine.reset();
            if constexpr (Lock::at_once == 1 && requires { lock.try_lock(); })
                CHECK(!lock.try_lock());
            co_await hold(lock, order, 4);
        });
        // Where there is room, as for one more reader, it need not wait for those who wake up.
        if (Lock::at_once < 5) CHECK(order == std::vector{0, 1, 2, 3, 4});
        CHECK(order.size() == 5);
    });
}

TEST_CASE_TEMPLATE("lock laws: a cancelled or lost wait leaves the line and no trace", Lock,
                   LOCKS) {
    run_sim([]() -> rf::task<> {
        Lock lock;
        std::vector<int> order;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            std::optional mine(co_await lock.block());
            const auto taken = lock.taken();
            all.spawn([&]() -> rf::task<> { co_await scope.run(hold(lock, order, 1)); });
            all.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select(lock.lock(), rf::sleep_for(2ms));
                CHECK(won.index() == 1);
            });
            all.spawn(&hold<Lock>, std::ref(lock), std::ref(order), 3, 1ms);
            co_await rf::sleep_for(1ms);
            CHECK(lock.waiting() == 3);
            scope.cancel();
            co_await rf::sleep_for(2ms);
            CHECK(lock.waiting() == 1);
            CHECK(lock.taken() == taken);
            mine.reset();
        });
        CHECK(order == std::vector{3});
        CHECK(lock.waiting() == 0);
    });
}

TEST_CASE_TEMPLATE("lock laws: granted and then cancelled, it is held, and handed on", Lock,
                   LOCKS) {
    run_sim([]() -> rf::task<> {
        Lock lock;
        std::vector<int> order;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            std::optional mine(co_await lock.block());
            all.spawn([&]() -> rf::task<> { co_await scope.run(hold(lock, order, 1, 1h)); });
            all.spawn(&hold<Lock>, std::ref(lock), std::ref(order), 2, 1ms);
            co_await rf::sleep_for(1ms);
            mine.reset();  // granted to the first
            scope.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(lock.waiting() == 0);
        });
        CHECK(order == std::vector{1, 2});
        CHECK(lock.taken() == 3);
    });
}

TEST_CASE_TEMPLATE("lock laws: in a cancelled scope nothing is taken, though it is free", Lock,
                   LOCKS) {
    run_sim([]() -> rf::task<> {
        Lock lock;
        std::vector<int> order;
        rf::cancel_scope scope;
        scope.cancel();
        co_await scope.run(hold(lock, order, 1));
        CHECK(order.empty());
        CHECK(lock.taken() == 0);
    });
}

TEST_CASE_TEMPLATE("lock laws: a select that takes it holds it, one that lost has not", Lock,
                   LOCKS) {
    run_sim([]() -> rf::task<> {
        Lock lock;
        {
            auto now = co_await rf::select(lock.lock(), rf::otherwise);
            CHECK(now.index() == 0);
        }
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            std::optional mine(co_await lock.block());
            auto later = co_await rf::select(lock.lock(), rf::otherwise);
            CHECK(later.index() == 1);
            all.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select(rf::sleep_for(1h), lock.lock());
                CHECK(won.index() == 1);
            });
            co_await rf::sleep_for(1ms);
            mine.reset();
        });
        CHECK(lock.waiting() == 0);
        CHECK(lock.taken() == 3);
    });
}

TEST_CASE_TEMPLATE("lock laws: cancels, timeouts and selects in any order lose no wake-up", Lock,
                   LOCKS) {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        run_sim({.seed = seed}, [&]() -> rf::task<> {
            Lock lock;
            std::mt19937_64 random(seed);
            int inside = 0;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                for (int i = 0; i < 12; ++i) {
                    const auto start = std::chrono::microseconds(random() % 8);
                    const auto patience = std::chrono::microseconds(random() % 12);
                    const auto how = random() % 3;
                    all.spawn([&, start, patience, how]() -> rf::task<> {
                        co_await rf::sleep_for(start);
                        auto work = [&]() -> rf::task<> {
                            auto held = co_await lock.lock();
                            CHECK(++inside <= Lock::at_once);
                            const rf::scope_exit out([&]() noexcept { --inside; });
                            co_await rf::sleep_for(2us);
                        };
                        if (how == 0) co_return co_await work();
                        if (how == 1) {
                            rf::cancel_scope scope;
                            scope.set_timeout(patience);
                            co_await scope.run(work());
                            co_return;
                        }
                        auto won = co_await rf::select(lock.lock(), rf::sleep_for(patience));
                        if (won.index() != 0) co_return;
                        CHECK(++inside <= Lock::at_once);
                        const rf::scope_exit out([&]() noexcept { --inside; });
                        co_await rf::sleep_for(2us);
                    });
                }
                co_return;
            });
            CHECK(inside == 0);
            CHECK(lock.waiting() == 0);
        });
    });
}

TEST_CASE_TEMPLATE("lock laws: destroyed while waited for, or held, it aborts by name and line",
                   Lock, LOCKS) {
    const std::string name = std::string(Lock::kind) + " made at";
    auto end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            std::optional<Lock> lock(std::in_place);
            std::vector<int> order;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                auto mine = co_await lock->block();
                all.spawn(&hold<Lock>, std::ref(*lock), std::ref(order), 1, 1ms);
                co_await rf::sleep_for(1ms);
                lock.reset();
            });
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says(name));
    CHECK(end.says("lock_laws_test.cpp:"));
    CHECK(end.says("destroyed while tasks wait on it"));
    end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            std::optional<Lock> lock(std::in_place);
            auto mine = co_await lock->lock();
            lock.reset();
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says(name));
    CHECK(end.says("was destroyed while"));
}

TEST_CASE_TEMPLATE("lock laws: a wait from another loop aborts by name and line", Lock, LOCKS) {
    const auto end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            Lock lock;
            std::vector<int> order;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                auto mine = co_await lock.block();
                all.spawn(&hold<Lock>, std::ref(lock), std::ref(order), 1, 1ms);
                co_await rf::sleep_for(1ms);
                std::thread other([&] { run_sim([&] { return hold(lock, order, 2); }); });
                other.join();
            });
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says(std::string(Lock::kind) + " made at"));
    CHECK(end.says("lock_laws_test.cpp:"));
    CHECK(end.says("it has waiters on another loop"));
}
