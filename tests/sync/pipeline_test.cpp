// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/pipeline.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::pipeline;
using rf::sync::pipeline_output;
using rf::test::run_sim;

namespace {

/// Sends 0 to count - 1, and notes how many have been taken.
auto numbers(int count, int* sent = nullptr) {
    return [count, sent](pipeline_output<int>& out) -> rf::task<> {
        for (int i = 0; i < count; ++i) {
            co_await out.send(i);
            if (sent != nullptr) ++*sent;
        }
    };
}

/// Takes a different time for each number, so that results overtake each other.
rf::task<int> uneven(int number) {
    co_await rf::sleep_for(std::chrono::milliseconds(1 + number * 7 % 5));
    co_return number * 10;
}

}  // namespace

TEST_CASE("pipeline: items go through all stages to the sink") {
    run_sim([]() -> rf::task<> {
        std::vector<std::string> got;
        pipeline line;
        line.source<int>(numbers(5))
            .stage([](int n) { return n + 1; })
            .stage([](int n) -> rf::task<std::string> { co_return std::to_string(n); })
            .sink([&](std::string text) { got.push_back(std::move(text)); });
        co_await line.run();
        CHECK(got == std::vector<std::string>{"1", "2", "3", "4", "5"});
        const auto seen = line.statistics();
        REQUIRE(seen.size() == 4);
        CHECK(seen[3].done == 5);
        CHECK(seen[1].busy == 0);
        got.clear();
        co_await line.run();
        CHECK(got.size() == 5);
    });
}

TEST_CASE("pipeline: an ordered stage keeps the order whatever its workers take") {
    for (const std::size_t capacity : {0u, 1u, 7u}) {
        CAPTURE(capacity);
        run_sim([&]() -> rf::task<> {
            std::vector<int> got;
            pipeline line;
            line.source<int>(numbers(200))
                .stage(uneven, {.workers = 6, .capacity = capacity})
                .sink([&](int n) { got.push_back(n); }, {.capacity = capacity});
            rf::test::stopwatch watch;
            co_await line.run();
            CHECK(got.size() == 200);
            CHECK(std::is_sorted(got.begin(), got.end()));
            CHECK(watch.elapsed() < 300ms);  // 600 ms of work by one worker
        });
    }
}

TEST_CASE("pipeline: an unordered stage passes on what is ready first") {
    run_sim([]() -> rf::task<> {
        std::vector<int> got;
        pipeline line;
        line.source<int>(numbers(100))
            .stage(uneven, {.workers = 4, .ordered = false})
            .sink([&](int n) { got.push_back(n); });
        co_await line.run();
        CHECK(!std::is_sorted(got.begin(), got.end()));
        std::sort(got.begin(), got.end());
        for (int i = 0; i < 100; ++i)
            CHECK(got[static_cast<std::size_t>(i)] == i * 10);
    });
}

TEST_CASE("pipeline: no stage works on more items than it has workers") {
    run_sim([]() -> rf::task<> {
        int busy = 0;
        int most = 0;
        pipeline line;
        line.source<int>(numbers(50))
            .stage(
                [&](int n) -> rf::task<int> {
                    most = std::max(most, ++busy);
                    co_await rf::sleep_for(1ms);
                    --busy;
                    co_return n;
                },
                {.workers = 3})
            .sink([](int) {});
        co_await line.run();
        CHECK(most == 3);
    });
}

TEST_CASE("pipeline: a slow sink slows the source") {
    run_sim([]() -> rf::task<> {
        int sent = 0;
        int stored = 0;
        pipeline line;
        line.source<int>(numbers(100, &sent))
            .stage([](int n) { return n; }, {.capacity = 2})
            .sink(
                [&](int) -> rf::task<> {
                    co_await rf::sleep_for(10ms);
                    ++stored;
                    // 2 queued, 1 worked on, 2 queued, 1 in the sink, and one more on the way.
                    CHECK(sent - stored <= 7);
                },
                {.capacity = 2});
        co_await line.run();
        CHECK(stored == 100);
    });
}

TEST_CASE("pipeline: cancelled, all stages end and the items inside are destroyed") {
    run_sim([]() -> rf::task<> {
        const auto counted = std::make_shared<int>(0);
        auto produce = [&](pipeline_output<std::shared_ptr<int>>& out) -> rf::task<> {
            for (;;)
                co_await out.send(counted);
        };
        pipeline line;
        line.source<std::shared_ptr<int>>(produce)
            .stage([](std::shared_ptr<int> item) { return item; }, {.workers = 2, .capacity = 4})
            .sink([](std::shared_ptr<int>) -> rf::task<> { co_await rf::sleep_forever(); },
                  {.name = "store"});
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> { (void)co_await scope.run(line.run()); });
            co_await rf::sleep_for(1ms);
            CHECK(counted.use_count() > 5);
            CHECK(rf::task_tree(rf::loop::here()).find("store") != std::string::npos);
            scope.cancel();
        });
        CHECK(counted.use_count() == 1);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("pipeline: the failure of one stage cancels all, and is thrown") {
    run_sim([]() -> rf::task<> {
        int stored = 0;
        int sent = 0;
        pipeline line;
        line.source<int>(numbers(1000, &sent))
            .stage([](int n) {
                if (n == 10) throw std::runtime_error("item 10 is bad");
                return n;
            })
            .sink([&](int) { ++stored; });
        std::string text;
        try {
            co_await line.run();
        } catch (const std::runtime_error& error) {
            text = error.what();
        }
        CHECK(text == "item 10 is bad");
        CHECK(stored <= 10);
        CHECK(sent < 15);
        CHECK(line.statistics()[1].waiting == 0);
    });
}

TEST_CASE("pipeline: what could not work is refused") {
    pipeline line;
    auto ends = line.source<int>(numbers(1));
    CHECK_THROWS_WITH_AS((void)line.source<int>(numbers(1)), doctest::Contains("second source"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(std::move(ends).sink([](int) {}, {.workers = 0}),
                         doctest::Contains("with 0 workers"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(
        std::move(ends).sink([](int) {}, {.capacity = static_cast<std::size_t>(-1)}),
        doctest::Contains("capacity of -1"), std::invalid_argument);
    CHECK_THROWS_WITH_AS(run_sim([&]() -> rf::task<> { co_await line.run(); }),
                         doctest::Contains("no sink"), std::invalid_argument);
}
#endif
