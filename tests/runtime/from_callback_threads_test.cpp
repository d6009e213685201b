// SPDX-License-Identifier: MIT
#include <ringfence/runtime/from_callback.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/when_all.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// Joins on destruction: in the frame of the task, so after its wait.
struct joined {
    std::vector<std::thread> threads;
    ~joined() {
        for (std::thread& each : threads)
            each.join();
    }
};

}  // namespace

TEST_SUITE("from_callback threads") {
    TEST_CASE("from_callback: completed from another thread") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            joined pool;
            for (int i = 0; i < 50; ++i) {
                const std::string got =
                    co_await rf::from_callback<std::string>([&](rf::completer<std::string> done) {
                        pool.threads.emplace_back([done = std::move(done), i] {
                            done.complete("a string too long to be kept in place, " +
                                          std::to_string(i));
                        });
                    });
                CHECK(got.ends_with(", " + std::to_string(i)));
            }
        });
        CHECK(report.status == 0);
    }

    TEST_CASE("from_callback: of many threads that complete one wait, one does") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            for (int round = 0; round < 50; ++round) {
                std::atomic<int> first{0};
                std::atomic<int> who{-1};
                int got = 0;
                {
                    joined pool;
                    got = co_await rf::from_callback<int>([&](rf::completer<int> done) {
                        for (int i = 0; i < 4; ++i)
                            pool.threads.emplace_back([&first, &who, done, i] {
                                if (done.complete(i)) {
                                    ++first;
                                    who = i;
                                }
                            });
                    });
                }
                CHECK(first == 1);
                CHECK(who == got);
            }
        });
        CHECK(report.status == 0);
    }

#if RF_EXCEPTIONS
    TEST_CASE("from_callback: completers dropped on other threads break the wait once") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            joined pool;
            bool broken = false;
            try {
                co_await rf::from_callback([&](rf::completer<void> done) {
                    for (int i = 0; i < 4; ++i)
                        pool.threads.emplace_back([done] {});
                });
            } catch (const rf::broken_callback&) {
                broken = true;
            }
            CHECK(broken);
        });
        CHECK(report.status == 0);
    }
#endif

    TEST_CASE("from_callback: a cancel and a completion that meet end the wait once") {
        int cancelled = 0;
        int completed = 0;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            for (int round = 0; round < 200; ++round) {
                joined pool;
                std::atomic<bool> go{false};
                rf::cancel_scope scope;
                auto work = [&]() -> rf::task<> {
                    (void)co_await rf::from_callback<int>([&](rf::completer<int> done) {
                        pool.threads.emplace_back([done, &go] {
                            while (!go)
                                std::this_thread::yield();
                            done.complete(1);
                        });
                        return [copy = done] { copy.cancelled(); };
                    });
                    ++completed;
                };
                auto cancel = [&]() -> rf::task<> {
                    co_await rf::this_task::yield();
                    go = true;
                    scope.cancel();
                };
                auto run = [&]() -> rf::task<> {
                    const bool finished = co_await scope.run(work);
                    if (!finished) ++cancelled;
                };
                (void)co_await rf::when_all(run, cancel);
            }
        });
        CHECK(report.status == 0);
        CHECK(cancelled + completed == 200);
    }

    TEST_CASE("from_callback: a completer may outlive the loop") {
        std::optional<rf::completer<int>> kept;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            const int got = co_await rf::from_callback<int>([&](rf::completer<int> done) {
                kept = done;
                done.complete(1);
            });
            CHECK(got == 1);
        });
        CHECK(report.status == 0);
        std::thread late([&] {
            CHECK_FALSE(kept->complete(2));
            kept.reset();
        });
        late.join();
    }
}
