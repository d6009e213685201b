// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/stop_token.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stop_token>

using namespace std::chrono_literals;

TEST_CASE("stop_token: is triggered when the task's scope is cancelled") {
    int called = 0;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        std::stop_token token;
        const bool finished = co_await rf::move_on_after(5ms, [&]() -> rf::task<> {
            token = rf::this_task::stop_token();
            std::stop_callback count(token, [&] { ++called; });
            CHECK_FALSE(token.stop_requested());
            co_await rf::sleep_for(1ms);
            CHECK_FALSE(token.stop_requested());
            co_await rf::sleep_forever();
        });
        CHECK_FALSE(finished);
        CHECK(token.stop_requested());
    });
    CHECK(called == 1);
    CHECK(report.status == 0);
}

TEST_CASE("stop_token: is triggered by a cancel of any scope around") {
    std::stop_token token;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        const bool finished = co_await rf::move_on_after(5ms, [&] {
            return rf::with_timeout(1h, [&]() -> rf::task<> {
                token = rf::this_task::stop_token();
                co_await rf::sleep_forever();
            });
        });
        CHECK_FALSE(finished);
    });
    CHECK(token.stop_requested());
    CHECK(report.status == 0);
}

TEST_CASE("stop_token: a scope that ends by itself never triggers it") {
    std::stop_token token;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        co_await rf::with_timeout(1h, [&]() -> rf::task<> {
            token = rf::this_task::stop_token();
            co_return;
        });
    });
    CHECK_FALSE(token.stop_requested());
    CHECK_FALSE(token.stop_possible());
    CHECK(report.status == 0);
}

TEST_CASE("stop_token: in a cancelled scope it is triggered from the start") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        rf::cancel_scope scope;
        (void)co_await scope.run([&]() -> rf::task<> {
            scope.cancel();
            CHECK(rf::this_task::stop_token().stop_requested());
            co_return;
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("stop_token: one scope has one token, another scope another") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        const std::stop_token outer = rf::this_task::stop_token();
        CHECK(outer == rf::this_task::stop_token());
        co_await rf::with_timeout(1h, [&]() -> rf::task<> {
            CHECK(outer != rf::this_task::stop_token());
            co_return;
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("stop_token: a scope that runs again after a cancel from outside has a fresh one") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        rf::cancel_scope again;
        std::stop_token first;
        (void)co_await rf::move_on_after(5ms, [&]() -> rf::task<> {
            (void)co_await again.run([&]() -> rf::task<> {
                first = rf::this_task::stop_token();
                co_await rf::sleep_forever();
            });
        });
        CHECK(first.stop_requested());
        (void)co_await again.run([&]() -> rf::task<> {
            CHECK_FALSE(rf::this_task::stop_token().stop_requested());
            co_return;
        });
    });
    CHECK(report.status == 0);
}
