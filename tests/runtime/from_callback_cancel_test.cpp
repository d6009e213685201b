// SPDX-License-Identifier: MIT
#include "callback_service.hpp"
#include "combinator_work.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/from_callback.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>

using namespace std::chrono_literals;

TEST_CASE("from_callback: a cancel asks the API, and the scope stays open until it has answered") {
    test::callback_service<int> api;
    bool went_on = false;
    const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto answer = [&]() -> rf::task<> {
                co_await rf::sleep_for(20ms);
                CHECK(api.cancels == 1);
                api.pending->cancelled();
            };
            jobs.spawn(answer);
            const auto start = rf::clock::now();
            const bool finished = co_await rf::move_on_after(10ms, [&]() -> rf::task<> {
                (void)co_await api.cancellable_request();
                went_on = true;
            });
            CHECK_FALSE(finished);
            CHECK(rf::clock::now() - start == 20ms);
        });
    });
    CHECK_FALSE(went_on);
    CHECK(api.cancels == 1);
    CHECK(report.status == 0);
}

TEST_CASE("from_callback: a value that comes after the cancel is kept") {
    for (const bool cancellable : {true, false}) {
        test::callback_service<int> api;
        std::optional<int> got;
        const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                auto answer = [&]() -> rf::task<> {
                    co_await rf::sleep_for(20ms);
                    api.pending->complete(7);
                };
                jobs.spawn(answer);
                const bool finished = co_await rf::move_on_after(10ms, [&]() -> rf::task<> {
                    if (cancellable) {
                        got = co_await api.cancellable_request();
                    } else {
                        got = co_await api.request();
                    }
                    co_await rf::this_task::checkpoint();
                });
                CHECK_FALSE(finished);
            });
        });
        CHECK(got == 7);
        CHECK(report.status == 0);
    }
}

TEST_CASE("from_callback: a completion on its way when the cancel comes is not cancelled") {
    test::callback_service<int> api;
    std::optional<int> got;
    const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto answer = [&]() -> rf::task<> {
                api.pending->complete(7);
                scope.cancel();
                co_return;
            };
            jobs.spawn(answer);
            (void)co_await scope.run(
                [&]() -> rf::task<> { got = co_await api.cancellable_request(); });
        });
    });
    CHECK(got == 7);
    CHECK(api.cancels == 0);
    CHECK(report.status == 0);
}

TEST_CASE("from_callback: dropped after a cancel, the task unwinds") {
    test::callback_service<int> api;
    const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto drop = [&]() -> rf::task<> {
                co_await rf::sleep_for(20ms);
                api.pending.reset();
            };
            jobs.spawn(drop);
            const auto got = co_await rf::move_on_after(10ms, api.request());
            CHECK_FALSE(got.has_value());
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("from_callback: in a cancelled scope nothing is started") {
    test::callback_service<int> api;
    const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
        rf::cancel_scope scope;
        scope.cancel();
        const auto got = co_await scope.run(api.request());
        CHECK_FALSE(got.has_value());
    });
    CHECK_FALSE(api.pending.has_value());
    CHECK(report.status == 0);
}

TEST_CASE("from_callback: the task tree shows the wait and whether it can be cancelled") {
    test::callback_service<int> api;
    std::string tree;
    const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto look = [&]() -> rf::task<> {
                tree = rf::task_tree(*rf::loop::current());
                api.pending->complete(1);
                co_return;
            };
            jobs.spawn(look);
            (void)co_await api.request();
        });
    });
    CHECK(tree.find("callback for a callback to be called") != tree.npos);
    CHECK(tree.find("not cancellable") != tree.npos);
    CHECK(report.status == 0);
}
