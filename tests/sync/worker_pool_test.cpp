// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/worker_pool.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::worker_pool;
using rf::test::run_sim;

TEST_CASE("worker_pool: ten workers are fed a hundred jobs, never more than ten at a time") {
    run_sim([]() -> rf::task<> {
        int inside = 0;
        int most = 0;
        long sum = 0;
        auto job = [&](int number) -> rf::task<int> {
            most = std::max(most, ++inside);
            co_await rf::sleep_for(10ms);
            --inside;
            co_return number;
        };
        rf::test::stopwatch watch;
        std::optional<worker_pool> pool;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            pool.emplace(jobs, rf::sync::worker_pool_options{.workers = 10, .queue = 5});
            std::vector<rf::sync::pool_job_handle<int>> handles;
            for (int i = 0; i < 100; ++i) {
                handles.push_back(co_await pool->submit(job, i));
                CHECK(pool->statistics().queued <= 15);
            }
            for (auto& handle : handles)
                sum += co_await handle.result();
        });
        CHECK(most == 10);
        CHECK(sum == 4950);
        CHECK(watch.elapsed() == 100ms);
        CHECK(pool->statistics().succeeded == 100);
        CHECK(pool->statistics().running == 0);
    });
}

TEST_CASE("worker_pool: the result of a job is a case of select, and stays if it loses") {
    run_sim([]() -> rf::task<> {
        auto job = [](std::chrono::nanoseconds time, int value) -> rf::task<int> {
            co_await rf::sleep_for(time);
            co_return value;
        };
        std::optional<worker_pool> pool;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            pool.emplace(jobs, rf::sync::worker_pool_options{.workers = 2});
            auto slow = co_await pool->submit(job, 2s, 2);
            auto quick = co_await pool->submit(job, 1s, 1);
            auto late = co_await rf::select(slow.result(), quick.result(), rf::sleep_for(1ms));
            CHECK(late.index() == 2);
            auto first = co_await rf::select(slow.result(), quick.result());
            REQUIRE(first.index() == 1);
            CHECK(std::get<1>(first) == 1);
            const int second = co_await slow.result();
            CHECK(second == 2);
            auto done = co_await pool->submit(job, 0ms, 3);
            co_await rf::sleep_for(1ms);
            auto ready = co_await rf::select(rf::biased, done.result(), rf::otherwise);
            REQUIRE(ready.index() == 0);
            CHECK(std::get<0>(ready) == 3);
        });
    });
}

TEST_CASE("worker_pool: try_submit rejects when workers and queue are full") {
    run_sim([]() -> rf::task<> {
        std::optional<worker_pool> pool;
        auto job = []() -> rf::task<> { co_await rf::sleep_for(10ms); };
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            pool.emplace(jobs, rf::sync::worker_pool_options{.workers = 1, .queue = 1});
            CHECK(pool->try_submit(job).has_value());
            CHECK(pool->try_submit(job).has_value());
            CHECK(!pool->try_submit(job).has_value());
            CHECK(pool->statistics().rejected == 1);
            co_await rf::sleep_for(11ms);
            CHECK(pool->try_submit(job).has_value());
        });
        CHECK(pool->statistics().succeeded == 3);
    });
}

TEST_CASE("worker_pool: drain waits for what was submitted and lets nothing more in") {
    run_sim([]() -> rf::task<> {
        std::optional<worker_pool> pool;
        int done = 0;
        auto job = [&]() -> rf::task<> {
            co_await rf::sleep_for(10ms);
            ++done;
        };
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            pool.emplace(jobs, rf::sync::worker_pool_options{.workers = 1, .queue = 3});
            for (int i = 0; i < 4; ++i)
                (void)pool->try_submit(job);
            co_await pool->drain();
            CHECK(done == 4);
            CHECK(!pool->try_submit(job));
        });
    });
}

TEST_CASE(
    "worker_pool: a cancelled call is gone with what it ran, a cancelled job frees its worker") {
    run_sim([]() -> rf::task<> {
        std::optional<worker_pool> pool;
        auto slow = []() -> rf::task<int> {
            co_await rf::sleep_for(1h);
            co_return 1;
        };
        auto quick = []() -> rf::task<int> { co_return 2; };
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            pool.emplace(jobs, rf::sync::worker_pool_options{.workers = 1, .queue = 1});
            auto running = co_await rf::move_on_after(1ms, pool->call(slow));
            CHECK(!running);
            CHECK(rf::loop::here().account().timers == 0);
            auto job = co_await pool->submit(slow);
            co_await rf::sleep_for(1ms);
            auto waiting = co_await rf::move_on_after(1ms, pool->call(quick));
            CHECK(!waiting);
            CHECK(pool->statistics().queued == 0);
            job.cancel();
            const int two = co_await pool->call(quick);
            CHECK(two == 2);
        });
        CHECK(pool->statistics().cancelled == 3);
        CHECK(pool->statistics().running == 0);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("worker_pool: a failing job fails its caller and nothing else") {
    run_sim([]() -> rf::task<> {
        std::optional<worker_pool> pool;
        int caught = 0;
        auto bad = []() -> rf::task<int> {
            co_await rf::sleep_for(1ms);
            throw std::runtime_error("bad job");
        };
        auto good = []() -> rf::task<int> { co_return 2; };
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            pool.emplace(jobs, rf::sync::worker_pool_options{.workers = 1, .queue = 1});
            auto job = co_await pool->submit(bad);
            try {
                (void)co_await job.result();
            } catch (const std::runtime_error&) {
                ++caught;
            }
            try {
                (void)co_await pool->call(bad);
            } catch (const std::runtime_error&) {
                ++caught;
            }
            const int two = co_await pool->call(good);
            CHECK(two == 2);
            co_await pool->drain();
            try {
                (void)co_await pool->call(good);
            } catch (const rf::sync::pool_draining&) {
                ++caught;
            }
        });
        CHECK(caught == 3);
        CHECK(pool->statistics().failed == 2);
    });
}

TEST_CASE("worker_pool: numbers that make no sense are refused") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            CHECK_THROWS_AS(worker_pool(jobs, {.workers = 0}), std::invalid_argument);
            CHECK_THROWS_AS(worker_pool(jobs, {.workers = 1, .queue = -1}), std::invalid_argument);
            co_return;
        });
    });
}
#endif
