// SPDX-License-Identifier: MIT
#include "object_tracker.hpp"
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <tests/runtime/sim_report.hpp>
#include <utility>

using namespace std::chrono_literals;

namespace {

rf::task<int> add_later(int a, int b) {
    co_await rf::sleep_for(5ms);
    co_return a + b;
}
rf::task<std::unique_ptr<int>> make_owned() { co_return std::make_unique<int>(3); }
rf::task<> sleeper() { co_await rf::sleep_forever(); }

}  // namespace

TEST_CASE("async: the handle gives the child's value, before it has ended and after") {
    const auto report = test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            auto sum = jobs.async(add_later, 1, 2);
            CHECK_FALSE(sum.ended());
            CHECK(sum.id() != 0);
            const int three = co_await sum;
            CHECK(three == 3);
            CHECK(sum.ended());

            auto owned = jobs.async(make_owned);
            co_await rf::sleep_for(1ms);
            CHECK(owned.ended());
            const auto value = co_await owned;
            CHECK(*value == 3);
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("async: dropping the handle leaves the child running and drops its result") {
    test::object_ledger objects;
    bool ended = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            (void)jobs.async([&]() -> rf::task<test::tracked> {
                co_await rf::sleep_for(5ms);
                ended = true;
                co_return test::tracked(objects);
            });
            co_return;
        });
        CHECK(ended);
    });
    CHECK(report.status == 0);
    CHECK(objects.made > 0);
    CHECK(objects.clean());
}

TEST_CASE("async: a handle may outlive its nursery") {
    const auto report = test::run_sim([]() -> rf::task<> {
        rf::join_handle<int> sum;
        CHECK_FALSE(static_cast<bool>(sum));
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            sum = jobs.async(add_later, 2, 2);
            co_return;
        });
        const int four = co_await sum;
        CHECK(four == 4);
    });
    CHECK(report.status == 0);
}

TEST_CASE("async: a result that nobody asked for is destroyed with its handle") {
    test::object_ledger objects;
    const auto report = test::run_sim([&]() -> rf::task<> {
        {
            rf::join_handle<test::tracked> held;
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                held = jobs.async(
                    [&]() -> rf::task<test::tracked> { co_return test::tracked(objects); });
                co_return;
            });
            CHECK(objects.live.size() == 1);
        }
        CHECK(objects.live.empty());
    });
    CHECK(report.status == 0);
    CHECK(objects.clean());
}

TEST_CASE("async: a cancelled wait for the result can be repeated") {
    const auto report = test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            auto sum = jobs.async(add_later, 1, 2);
            const auto early =
                co_await rf::move_on_after(1ms, [&]() -> rf::task<int> { co_return co_await sum; });
            CHECK_FALSE(early.has_value());
            const int three = co_await sum;
            CHECK(three == 3);
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("async: cancelling a handle cancels that child alone") {
    int finished = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto first = jobs.async(sleeper);
            auto second = jobs.async(add_later, 1, 2);
            co_await rf::sleep_for(1ms);
            first.cancel("not needed");
            first.cancel("twice changes nothing");
            finished = co_await second;
            CHECK(first.ended());
        });
    });
    CHECK(report.status == 0);
    CHECK(finished == 3);
    CHECK(report.final.tasks_cancelled == 1);
}

TEST_CASE("async: children that keep their own scope leave the nursery no larger") {
    std::size_t before = 0;
    std::size_t after = 1;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 200; ++i) {
                auto handle = jobs.async(make_owned);
                const auto got = co_await handle;
                CHECK(*got == 3);
                if (i == 1) before = rf::frame_pool::statistics().blocks_live;
                after = rf::frame_pool::statistics().blocks_live;
            }
        });
    });
    CHECK(report.status == 0);
    CHECK(after == before);
}

#if RF_EXCEPTIONS

TEST_CASE("async: a child that was cancelled gives cancelled_error with the cause") {
    bool caught = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto handle = jobs.async(sleeper);
            co_await rf::sleep_for(1ms);
            handle.cancel();
            try {
                co_await handle;
            } catch (const rf::cancelled_error& error) {
                caught = error.cause() == rf::cancel_cause::requested;
            }
        });
    });
    CHECK(report.status == 0);
    CHECK(caught);
}

TEST_CASE("async: under fail_fast a failure goes to the nursery as well, and counts once") {
    std::string text;
    bool went_on = false;
    int heard = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        try {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.on_child_failure([&](const rf::child_failure&) { ++heard; });
                auto handle = jobs.async([]() -> rf::task<int> {
                    co_await rf::sleep_for(1ms);
                    throw std::runtime_error("failed");
                });
                (void)co_await handle;
                went_on = true;
            });
        } catch (const std::runtime_error& thrown) {
            text = thrown.what();
        }
    });
    CHECK(report.status == 0);
    CHECK_FALSE(went_on);
    CHECK(text == "failed");
    CHECK(heard == 0);
}

TEST_CASE("async: under fail_fast a failure counts even if nobody awaits the handle") {
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        rf::join_handle<int> held;
        try {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                held = jobs.async([]() -> rf::task<int> {
                    co_await rf::sleep_for(1ms);
                    throw std::runtime_error("failed");
                });
                co_return;
            });
        } catch (const std::runtime_error& thrown) {
            text = thrown.what();
        }
    });
    CHECK(report.status == 0);
    CHECK(text == "failed");
}

TEST_CASE("async: under isolate and collect a failure belongs to whoever holds the handle") {
    int caught = 0;
    int heard = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        for (const auto policy : {rf::isolate, rf::collect}) {
            const rf::nursery_options options{.on_failure = policy};
            co_await rf::with_nursery(options, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.on_child_failure([&](const rf::child_failure&) { ++heard; });
                auto handle = jobs.async([]() -> rf::task<int> {
                    co_await rf::sleep_for(1ms);
                    throw std::runtime_error("failed");
                });
                try {
                    (void)co_await handle;
                } catch (const std::runtime_error&) {
                    ++caught;
                }
            });
        }
    });
    CHECK(report.status == 0);
    CHECK(caught == 2);
    CHECK(heard == 0);
}

TEST_CASE("async: a failure whose handle was dropped before goes to the policy") {
    int heard = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery(
            {.on_failure = rf::isolate}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.on_child_failure([&](const rf::child_failure&) { ++heard; });
                (void)jobs.async([]() -> rf::task<int> {
                    co_await rf::sleep_for(1ms);
                    throw std::runtime_error("failed");
                });
                co_return;
            });
    });
    CHECK(report.status == 0);
    CHECK(heard == 1);
}

#endif
