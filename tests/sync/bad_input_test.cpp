// SPDX-License-Identifier: MIT
// Whatever makes no sense is refused with a message that names the object and the line: one table
// for all of sync.
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/barrier.hpp>
#include <ringfence/sync/broadcast.hpp>
#include <ringfence/sync/bulkhead.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/channel_ends.hpp>
#include <ringfence/sync/circuit_breaker.hpp>
#include <ringfence/sync/keyed_rate_limiter.hpp>
#include <ringfence/sync/latch.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/once.hpp>
#include <ringfence/sync/pipeline.hpp>
#include <ringfence/sync/rate_limiter.hpp>
#include <ringfence/sync/retry.hpp>
#include <ringfence/sync/rw_lock.hpp>
#include <ringfence/sync/semaphore.hpp>
#include <ringfence/sync/shared_channel.hpp>
#include <ringfence/sync/supervisor.hpp>
#include <ringfence/sync/ttl_cache.hpp>
#include <ringfence/sync/wait_group.hpp>
#include <ringfence/sync/watch.hpp>
#include <ringfence/sync/worker_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace rf::sync;
using rf::test::run_sim;

namespace {

constexpr auto minus_one = static_cast<std::size_t>(-1);

struct death_case {
    const char* says;
    std::function<rf::task<>()> act;
};

}  // namespace

TEST_CASE("bad input: what was not taken cannot be given back, and the line is named") {
    const std::vector<death_case> all{
        {"a mutex_guard was unlocked that holds no mutex",
         []() -> rf::task<> {
             mutex one;
             auto held = co_await one.lock();
             held.unlock();
             held.unlock();
         }},
        {"an exclusive_guard was unlocked that holds no rw_lock",
         []() -> rf::task<> {
             exclusive_guard().unlock();
             co_return;
         }},
        {"a shared_guard was unlocked that holds no rw_lock",
         []() -> rf::task<> {
             rw_lock one;
             auto held = co_await one.lock_shared();
             auto elsewhere = std::move(held);
             held.unlock();
         }},
        {"a once_turn was finished that is empty",
         []() -> rf::task<> {
             once one;
             auto turn = co_await one.begin();
             turn.finish();
             turn.finish();
         }},
        {"5 permits were released of a permit of the semaphore made at",
         []() -> rf::task<> {
             semaphore one(10);
             auto held = co_await one.acquire(4);
             held.release(5);
         }},
        {"1 permits were released of an empty permit",
         []() -> rf::task<> {
             permit().release(1);
             co_return;
         }},
        {"a negative number of permits was added",
         []() -> rf::task<> {
             semaphore one(10);
             one.add(minus_one);
             co_return;
         }},
        {"latch made at",
         []() -> rf::task<> {
             latch one(1);
             one.count_down(2);
             co_return;
         }},
        {"wait_group made at",
         []() -> rf::task<> {
             wait_group one;
             one.done();
             co_return;
         }},
        {"barrier made at",
         []() -> rf::task<> {
             barrier one(1);
             one.arrive_and_drop();
             one.arrive_and_drop();
             co_return;
         }},
    };
    for (const death_case& one : all) {
        CAPTURE(one.says);
        const auto end = rf::test::run_to_death([&] { run_sim(one.act); });
        CHECK(end.signal == SIGABRT);
        CHECK(end.says(one.says));
        CHECK(end.says("bad_input_test.cpp:"));
    }
}

#if RF_EXCEPTIONS
namespace {

struct refusal {
    const char* kind;
    std::function<rf::task<>()> act;
};

// For what happens at once.
template <class F>
std::function<rf::task<>()> now(F act) {
    return [act]() -> rf::task<> {
        act();
        co_return;
    };
}

rf::task<int> nothing() { co_return 1; }

const std::vector<refusal>& refusals() {
    static const std::vector<refusal> all{
        {"channel", now([] { channel<int> one(minus_one); })},
        {"channel", now([] { (void)new channel_ends<int>(open_channel<int>(minus_one)); })},
        {"channel", now([] {
             channel<int> one(1);
             std::vector<int> to;
             (void)one.receive_many(to, 0);
         })},
        {"channel",
         []() -> rf::task<> {
             channel<int> one(1);
             one.close();
             co_await one.send(1);
         }},
        {"unbounded_channel", now([] {
             unbounded_channel<int> one;
             one.close();
             one.send(1);
         })},
        {"shared_channel", now([] { shared_channel<int> one(0); })},
        {"shared_channel", now([] { shared_channel<int> one(minus_one); })},
        {"shared_channel", now([] {
             shared_channel<int> one(1);
             (void)one.send_many(std::span<int>());
         })},
        {"shared_channel",
         []() -> rf::task<> {
             shared_channel<int> one(1);
             one.close();
             co_await one.send(1);
         }},
        {"broadcast", now([] { broadcast<int> one(0, sender_waits); })},
        {"broadcast", now([] { broadcast<int> one(minus_one, receiver_skips); })},
        {"watch", now([] {
             watch<int> one(1);
             one.close();
             one.set(2);
         })},
        {"semaphore", now([] { semaphore one(0); })},
        {"semaphore", now([] { semaphore one(minus_one); })},
        {"semaphore", now([] { (void)semaphore(2).acquire(0); })},
        {"semaphore", now([] { (void)semaphore(2).acquire(3); })},
        {"semaphore", now([] { (void)semaphore(2).try_acquire(minus_one); })},
        {"latch", now([] { latch one(minus_one); })},
        {"barrier", now([] { barrier one(0); })},
        {"barrier", now([] { barrier one(minus_one); })},
        {"rate_limiter", now([] { rate_limiter one({.tokens = 0}); })},
        {"rate_limiter", now([] { rate_limiter one({.tokens = -1}); })},
        {"rate_limiter", now([] { rate_limiter one({.per = 0s}); })},
        {"rate_limiter", now([] { rate_limiter one({.burst = 0}); })},
        {"rate_limiter", now([] { (void)rate_limiter({}).acquire(0); })},
        {"rate_limiter", now([] { (void)rate_limiter({}).try_acquire(2); })},
        {"rate_limiter", now([] { (void)rate_limiter({}).reserve(-1); })},
        {"keyed_rate_limiter", now([] { keyed_rate_limiter<int> one({}, 0); })},
        {"circuit_breaker", now([] { circuit_breaker one({.failures_in_a_row = -1}); })},
        {"circuit_breaker", now([] { circuit_breaker one({.failure_rate = 1.5}); })},
        {"circuit_breaker", now([] {
             circuit_breaker one({.failure_rate = std::numeric_limits<double>::quiet_NaN()});
         })},
        {"circuit_breaker", now([] { circuit_breaker one({.window = 0s}); })},
        {"circuit_breaker", now([] { circuit_breaker one({.open_for = -1s}); })},
        {"circuit_breaker", now([] { circuit_breaker one({.probes_max = 0}); })},
        {"bulkhead", now([] { bulkhead one({.concurrent = 0}); })},
        {"bulkhead", now([] { bulkhead one({.concurrent = 1, .queue = -1}); })},
        {"retry_budget", now([] { retry_budget one({.per_call = -1}); })},
        {"retry_budget", now([] { retry_budget one({.reserve = 0}); })},
        {"retry", []() -> rf::task<> { (void)co_await retry({.attempts = 0}, nothing); }},
        {"retry", []() -> rf::task<> { (void)co_await retry({.base = -1s}, nothing); }},
        {"retry", []() -> rf::task<> { (void)co_await retry({.base = 2s, .cap = 1s}, nothing); }},
        {"worker_pool",
         []() -> rf::task<> {
             co_await rf::with_nursery([](rf::nursery& home) -> rf::task<> {
                 worker_pool one(home, {.workers = 0});
                 co_return;
             });
         }},
        {"worker_pool",
         []() -> rf::task<> {
             co_await rf::with_nursery([](rf::nursery& home) -> rf::task<> {
                 worker_pool one(home, {.workers = 1, .queue = -1});
                 co_return;
             });
         }},
        {"ttl_cache", now([] { ttl_cache<int, int> one({.ttl = 0s, .size_max = 1}); })},
        {"ttl_cache", now([] { ttl_cache<int, int> one({.ttl = 1s, .size_max = 0}); })},
        {"pipeline",
         []() -> rf::task<> {
             pipeline one;
             co_await one.run();
         }},
        {"pipeline", now([] {
             pipeline one;
             auto produce = [](pipeline_output<int>&) -> rf::task<> { co_return; };
             one.source<int>(produce).sink([](int) {}, {.workers = 0});
         })},
        {"supervisor", now([] { supervisor one({.window = 0s}); })},
        {"supervisor", now([] { supervisor one({.backoff = -1s}); })},
        {"supervisor", now([] { supervisor().add("", [] { return rf::task<>(); }); })},
        {"supervisor",
         []() -> rf::task<> {
             supervisor one({.restarts_max = 2, .window = 1s});
             one.on_exit([](const child_exit&) {});
             one.add("short", []() -> rf::task<> {
                 throw std::runtime_error("at once");
                 co_return;
             });
             co_await one.run();
         }},
    };
    return all;
}

}  // namespace

TEST_CASE("bad input: every refusal names its object and the line where that was made") {
    for (const refusal& one : refusals()) {
        CAPTURE(one.kind);
        CAPTURE(&one - refusals().data());
        std::string said = "nothing";
        run_sim([&]() -> rf::task<> {
            try {
                co_await one.act();
            } catch (const std::exception& error) {
                said = error.what();
            }
        });
        CAPTURE(said);
        CHECK(said.find(std::string(one.kind) + " made at ") != std::string::npos);
        CHECK(said.find("bad_input_test.cpp:") != std::string::npos);
    }
}

TEST_CASE("bad input: a select of nothing names its line, and closing twice is an answer") {
    run_sim([]() -> rf::task<> {
        std::string said;
        std::vector<decltype(rf::sleep_for(1s))> none;
        try {
            (void)co_await rf::select_any(std::move(none));
        } catch (const std::invalid_argument& error) {
            said = error.what();
        }
        CHECK(said.find("was given no case") != std::string::npos);
        CHECK(said.find("bad_input_test.cpp:") != std::string::npos);
        channel<int> one(1);
        CHECK(one.close());
        CHECK(!one.close());
    });
}
#endif
