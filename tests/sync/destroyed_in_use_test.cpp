// SPDX-License-Identifier: MIT
// What calls go through outlives them, or aborts with a sentence that names the object and its
// line: one table. Locks, queues and one-shots have theirs among their laws.
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/bulkhead.hpp>
#include <ringfence/sync/circuit_breaker.hpp>
#include <ringfence/sync/keyed_rate_limiter.hpp>
#include <ringfence/sync/pipeline.hpp>
#include <ringfence/sync/rate_limiter.hpp>
#include <ringfence/sync/single_flight.hpp>
#include <ringfence/sync/supervisor.hpp>
#include <ringfence/sync/ttl_cache.hpp>
#include <ringfence/sync/worker_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using namespace rf::sync;
using rf::test::run_sim;

namespace {

rf::task<> long_call() { co_await rf::sleep_for(1h); }
rf::task<int> long_load() {
    co_await rf::sleep_for(1h);
    co_return 1;
}
rf::task<int> load_of_key(const int&) { return long_load(); }

/// Destroys `one` while the task `use(*one)` waits.
template <class T, class Use>
rf::task<> destroy_during(std::unique_ptr<T> one, Use use) {
    co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
        all.spawn([&]() -> rf::task<> { co_await use(*one); });
        co_await rf::sleep_for(1ms);
        one.reset();
    });
}

struct use_case {
    std::string kind;
    std::string says;
    std::function<rf::task<>()> act;
};

// In each, `new` stands where the object is made, for that line to be the one in the message.
const std::vector<use_case>& use_cases() {
    static const std::vector<use_case> all{
        {"bulkhead", "it was destroyed while 1 of its calls run",
         [] {
             std::unique_ptr<bulkhead> one(new bulkhead({.concurrent = 1}));
             return destroy_during(std::move(one),
                                   [](bulkhead& at) { return at.guard(long_call)(); });
         }},
        {"circuit_breaker", "it was destroyed while 1 of its calls run",
         [] {
             std::unique_ptr<circuit_breaker> one(new circuit_breaker);
             return destroy_during(std::move(one),
                                   [](circuit_breaker& at) { return at.guard(long_call)(); });
         }},
        {"rate_limiter", "was destroyed while tasks wait on it",
         [] {
             std::unique_ptr<rate_limiter> one(new rate_limiter({.per = 1h}));
             CHECK(one->try_acquire());
             return destroy_during(std::move(one),
                                   [](rate_limiter& at) { return at.guard(long_call)(); });
         }},
        {"keyed_rate_limiter", "was destroyed while tasks wait on it",
         [] {
             using limiter = keyed_rate_limiter<int>;
             std::unique_ptr<limiter> one(new limiter({.per = 1h}, 10));
             CHECK(one->try_acquire(7));
             return destroy_during(std::move(one), [](limiter& at) { return at.acquire(7); });
         }},
        {"single_flight", "it was destroyed while calls run",
         [] {
             using flights = single_flight<int, int>;
             std::unique_ptr<flights> one(new flights);
             return destroy_during(std::move(one),
                                   [](flights& at) { return at.run(7, long_load); });
         }},
        {"ttl_cache", "it was destroyed while calls run",
         [] {
             using cache = ttl_cache<int, int>;
             std::unique_ptr<cache> one(new cache({.ttl = 1s, .size_max = 10}));
             return destroy_during(std::move(one),
                                   [](cache& at) { return at.get(7, load_of_key); });
         }},
        {"worker_pool", "it was destroyed while 1 of its jobs run or are queued, and 0 wait to be",
         []() -> rf::task<> {
             co_await rf::with_nursery([](rf::nursery& home) -> rf::task<> {
                 std::unique_ptr<worker_pool> one(new worker_pool(home, {.workers = 1}));
                 co_await destroy_during(std::move(one), [](worker_pool& at) -> rf::task<> {
                     (void)co_await at.submit(long_call);
                 });
             });
         }},
        {"worker_pool", "make it outside of its nursery",
         []() -> rf::task<> {
             co_await rf::with_nursery([](rf::nursery& home) -> rf::task<> {
                 std::unique_ptr<worker_pool> one(new worker_pool(home, {.workers = 1}));
                 co_await destroy_during(std::move(one),
                                         [](worker_pool& at) { return at.call(long_call); });
             });
         }},
        {"supervisor", "it was destroyed while it runs; it has to outlive run()",
         [] {
             std::unique_ptr<supervisor> one(new supervisor);
             one->add("child", long_call);
             return destroy_during(std::move(one), [](supervisor& at) { return at.run(); });
         }},
        {"pipeline", "it was destroyed while it runs; it has to outlive run()",
         [] {
             std::unique_ptr<pipeline> one(new pipeline);
             auto produce = [](pipeline_output<int>& to) -> rf::task<> {
                 co_await to.send(1);
                 co_await long_call();
             };
             one->source<int>(produce).sink([](int) {});
             return destroy_during(std::move(one), [](pipeline& at) { return at.run(); });
         }},
    };
    return all;
}

}  // namespace

TEST_CASE("destroyed in use: it aborts, and names the object and the line where that was made") {
    for (const use_case& one : use_cases()) {
        CAPTURE(one.kind);
        CAPTURE(one.says);
        const auto end = rf::test::run_to_death([&] { run_sim(one.act); });
        CAPTURE(end.said);
        CHECK(end.signal == SIGABRT);
        CHECK(end.says(one.kind + " made at "));
        CHECK(end.says("destroyed_in_use_test.cpp:"));
        CHECK(end.says(one.says));
    }
}

TEST_CASE("destroyed in use: a shared call that has ended but not returned counts, too") {
    const auto end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            using flights = single_flight<int, int>;
            std::unique_ptr<flights> one(new flights);
            auto load = []() -> rf::task<int> {
                co_await rf::sleep_for(1ms);
                co_return 1;
            };
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn([&]() -> rf::task<> {
                    (void)co_await one->run(7, load);
                    one.reset();
                });
                all.spawn([&]() -> rf::task<> { (void)co_await one->run(7, load); });
                co_return;
            });
        });
    });
    CAPTURE(end.said);
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("single_flight made at "));
    CHECK(end.says("it was destroyed while calls run"));
}

TEST_CASE("destroyed in use: a guarded call that has its token needs no rate_limiter any more") {
    run_sim([]() -> rf::task<> {
        std::unique_ptr<rate_limiter> one(new rate_limiter({.burst = 1}));
        bool ended = false;
        auto call = [&]() -> rf::task<> {
            co_await rf::sleep_for(1s);
            ended = true;
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { co_await one->guard(std::ref(call))(); });
            co_await rf::sleep_for(1ms);
            one.reset();
        });
        CHECK(ended);
    });
}

TEST_CASE("destroyed in use: after their last call all may go") {
    run_sim([]() -> rf::task<> {
        auto quick = []() -> rf::task<int> { co_return 1; };
        bulkhead limit({.concurrent = 1});
        circuit_breaker breaker;
        rate_limiter rate({.burst = 5});
        single_flight<int, int> flights;
        int sum = 0;
        sum += co_await limit.guard(quick)();
        sum += co_await breaker.guard(quick)();
        sum += co_await rate.guard(quick)();
        sum += co_await flights.run(7, quick);
        CHECK(sum == 4);
    });
}
