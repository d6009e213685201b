// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/when_all.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <latch>
#include <stop_token>
#include <string>
#include <thread>

TEST_SUITE("offload cancel threads") {
    TEST_CASE("offload: a call that no thread has begun is taken back by a cancel") {
        std::atomic<bool> ran{false};
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            rf::configure_offload({.threads_max = 1});
            std::latch begun(1);
            std::latch release(1);
            auto first = [&]() -> rf::task<> {
                co_await rf::offload([&] {
                    begun.count_down();
                    release.wait();
                });
            };
            auto second = [&]() -> rf::task<> {
                begun.wait();  // blocks the loop for a moment, so that the first is surely running
                rf::cancel_scope scope;
                auto cancel = [&]() -> rf::task<> {
                    CHECK(rf::loop::here().account().offload_jobs == 2);
                    scope.cancel();
                    CHECK(rf::loop::here().account().offload_jobs == 1);
                    co_return;
                };
                auto run = [&]() -> rf::task<> {
                    const bool finished = co_await scope.run(rf::offload([&] { ran = true; }));
                    CHECK_FALSE(finished);
                };
                (void)co_await rf::when_all(run, cancel);
                release.count_down();
            };
            (void)co_await rf::when_all(first, second);
        });
        CHECK(report.status == 0);
        CHECK_FALSE(ran);
    }

    TEST_CASE("offload: a running call keeps its scope open, is named, and its result counts") {
        std::string tree;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            std::latch begun(1);
            std::latch release(1);
            bool returned = false;
            rf::cancel_scope scope;
            auto work = [&]() -> rf::task<> {
                const int got = co_await rf::offload("slow lookup", [&] {
                    begun.count_down();
                    release.wait();
                    return 7;
                });
                returned = got == 7;
                co_await rf::this_task::checkpoint();
            };
            auto run = [&]() -> rf::task<> {
                const bool finished = co_await scope.run(work);
                CHECK_FALSE(finished);
            };
            auto cancel = [&]() -> rf::task<> {
                begun.wait();
                scope.cancel();
                co_await rf::this_task::yield();
                tree = rf::task_tree(*rf::loop::current());
                CHECK_FALSE(returned);
                release.count_down();
            };
            (void)co_await rf::when_all(run, cancel);
            CHECK(returned);
        });
        CHECK(report.status == 0);
        CHECK(tree.find("offload for the blocking call \"slow lookup\", running") != tree.npos);
        CHECK(tree.find("not cancellable") != tree.npos);
    }

    TEST_CASE("offload: a function that takes a stop_token is asked to stop") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            std::latch begun(1);
            bool stopped = false;
            rf::cancel_scope scope;
            auto run = [&]() -> rf::task<> {
                (void)co_await scope.run([&]() -> rf::task<> {
                    stopped = co_await rf::offload("patient", [&](std::stop_token token) {
                        begun.count_down();
                        while (!token.stop_requested())
                            std::this_thread::yield();
                        return true;
                    });
                });
            };
            auto cancel = [&]() -> rf::task<> {
                begun.wait();
                scope.cancel();
                co_return;
            };
            (void)co_await rf::when_all(run, cancel);
            CHECK(stopped);
        });
        CHECK(report.status == 0);
    }

    TEST_CASE("offload: in a cancelled scope nothing is run") {
        bool ran = false;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            rf::cancel_scope scope;
            scope.cancel();
            const bool finished = co_await scope.run(rf::offload([&] { ran = true; }));
            CHECK_FALSE(finished);
        });
        CHECK(report.status == 0);
        CHECK_FALSE(ran);
    }

    TEST_CASE("offload: a cancel and a return that meet end the wait once") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            int ended = 0;
            for (int round = 0; round < 300; ++round) {
                rf::cancel_scope scope;
                auto run = [&]() -> rf::task<> {
                    (void)co_await scope.run(rf::offload([] { return 1; }));
                    ++ended;
                };
                auto cancel = [&]() -> rf::task<> {
                    for (int i = 0; i < round % 8; ++i)
                        co_await rf::this_task::yield();
                    scope.cancel();
                };
                (void)co_await rf::when_all(run, cancel);
            }
            CHECK(ended == 300);
        });
        CHECK(report.status == 0);
        CHECK(report.final.empty());
    }
}
