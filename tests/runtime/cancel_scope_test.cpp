// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <tests/support/lifetime_tracker.hpp>
#include <tests/support/run_sim.hpp>
#include <vector>

using namespace std::chrono_literals;
using rf::test::lifetime_tracker;
using rf::test::lifetimes;
using rf::test::run_sim;

namespace {

rf::task<int> answer_after(std::chrono::milliseconds span) {
    co_await rf::sleep_for(span);
    co_return 42;
}

}  // namespace

TEST_CASE("cancel_scope: a body that finishes gives its value, a cancelled one nothing") {
    run_sim([]() -> rf::task<> {
        rf::cancel_scope quiet;
        const std::optional<int> value = co_await quiet.run([] { return answer_after(1ms); });
        CHECK(value == 42);
        CHECK_FALSE(quiet.cancelled());

        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                const std::optional<int> none = co_await scope.run([] { return answer_after(1h); });
                CHECK_FALSE(none.has_value());
            });
            co_await rf::sleep_for(1ms);
            scope.cancel("the user left");
        });
        CHECK(scope.cancelled());
        CHECK(scope.cause() == rf::cancel_cause::requested);
        CHECK(scope.reason() == "the user left");
    });
}

TEST_CASE("cancel_scope: remembers the first cancel, its reason and its line") {
    run_sim([]() -> rf::task<> {
        rf::cancel_scope scope;
        const auto line = std::source_location::current().line() + 1;
        scope.cancel("first");
        scope.cancel("second");
        CHECK(scope.reason() == "first");
        CHECK(scope.cancelled_at().line() == line);
        co_return;
    });
}

TEST_CASE("cancel_scope: takes a task and an operation as well as a function") {
    run_sim([]() -> rf::task<> {
        rf::cancel_scope scope;
        const std::optional<int> value = co_await scope.run(answer_after(1ms));
        CHECK(value == 42);
        const bool slept = co_await scope.run(rf::sleep_for(1ms));
        CHECK(slept);
    });
}

TEST_CASE("cancel_scope: cancelling is level-triggered, whoever waits later unwinds too") {
    int waits = 0;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        scope.cancel();
        for (int i = 0; i < 3; ++i) {
            const bool finished = co_await scope.run([&]() -> rf::task<> {
                ++waits;
                CHECK(rf::this_task::cancel_requested());
                co_await rf::this_task::checkpoint();
                waits = 1000;
            });
            CHECK_FALSE(finished);
        }
    });
    CHECK(waits == 3);
}

TEST_CASE("cancel_scope: every kind of wait is a cancel point, even one that need not wait") {
    int unwound = 0;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        scope.cancel();
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto ended = jobs.async(answer_after, 0ms);
            co_await rf::sleep_for(1ms);
            CHECK(ended.ended());
            // Bodies that would each have their value at once, were the scope not cancelled.
            const auto counts = [&](auto work) -> rf::task<> {
                (void)co_await scope.run([&]() -> rf::task<> {
                    co_await work();
                    unwound -= 1000;
                });
                ++unwound;
            };
            co_await counts([]() -> rf::task<> { co_await rf::this_task::checkpoint(); });
            co_await counts([]() -> rf::task<> { co_await rf::this_task::yield(); });
            co_await counts([]() -> rf::task<> { co_await rf::sleep_for(0ms); });
            co_await counts([&]() -> rf::task<> { (void)co_await ended; });
            co_await counts([&]() -> rf::task<> {
                co_await jobs.spawn_when_free([]() -> rf::task<> { co_return; });
            });
            co_await counts([]() -> rf::task<> {
                co_await rf::with_nursery([](rf::nursery&) -> rf::task<> { co_return; });
            });
            CHECK(jobs.statistics().started == 1);
        });
    });
    CHECK(unwound == 6);
}

TEST_CASE("cancel_scope: a body that finishes in spite of the cancel has finished") {
    run_sim([]() -> rf::task<> {
        rf::cancel_scope scope;
        const std::optional<int> value = co_await scope.run([&]() -> rf::task<int> {
            scope.cancel();
            co_return 7;
        });
        CHECK(value == 7);
    });
}

TEST_CASE("cancel_scope: one that ran inside what was cancelled around it can run again") {
    run_sim([]() -> rf::task<> {
        rf::cancel_scope inner;
        rf::cancel_scope outer;
        outer.cancel();
        const bool finished = co_await outer.run(
            [&]() -> rf::task<> { (void)co_await inner.run([] { return answer_after(1ms); }); });
        CHECK_FALSE(finished);
        CHECK_FALSE(inner.cancelled());
        const std::optional<int> value = co_await inner.run([] { return answer_after(1ms); });
        CHECK(value == 42);
    });
}

TEST_CASE("cancel_scope: cancelling reaches nested scopes, nurseries and their children") {
    lifetimes book;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope outer;
        co_await rf::with_nursery([&](rf::nursery& watch) -> rf::task<> {
            watch.spawn([&]() -> rf::task<> {
                (void)co_await outer.run([&]() -> rf::task<> {
                    rf::cancel_scope inner;
                    (void)co_await inner.run([&]() -> rf::task<> {
                        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                            for (int i = 0; i < 10; ++i)
                                jobs.spawn([&]() -> rf::task<> {
                                    lifetime_tracker local(book);
                                    (void)co_await rf::move_on_after(1h, rf::sleep_forever());
                                });
                            co_await rf::sleep_forever();
                        });
                    });
                    CHECK_FALSE(inner.cancelled());
                    co_return;
                });
            });
            co_await rf::sleep_for(1ms);
            CHECK(book.live() == 10);
            outer.cancel();
        });
    });
    CHECK(book.live() == 0);
    CHECK(book.destroyed_twice == 0);
}

TEST_CASE("cancel_scope: a deadline can be set, moved and taken back") {
    run_sim([]() -> rf::task<> {
        rf::test::stopwatch watch;
        rf::cancel_scope scope;
        scope.set_timeout(1s);
        scope.set_timeout(5ms);
        const bool finished = co_await scope.run(rf::sleep_forever());
        CHECK_FALSE(finished);
        CHECK(watch.elapsed() == 5ms);
        CHECK(scope.cause() == rf::cancel_cause::deadline);

        rf::cancel_scope reprieved;
        reprieved.set_timeout(5ms);
        reprieved.set_deadline(rf::clock::time_point::max());
        const bool slept = co_await reprieved.run(rf::sleep_for(10ms));
        CHECK(slept);
    });
}

TEST_CASE("cancel_scope: a deadline in the past cancels at once") {
    run_sim([]() -> rf::task<> {
        co_await rf::sleep_for(10ms);
        rf::cancel_scope scope;
        scope.set_deadline(rf::clock::now() - 1ms);
        CHECK(scope.cancelled());
        const bool finished = co_await scope.run(rf::this_task::checkpoint());
        CHECK_FALSE(finished);
    });
}

TEST_CASE("cancel_scope: a task may cancel the scope that it is in, and goes on to its next wait") {
    std::vector<int> steps;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        (void)co_await scope.run([&]() -> rf::task<> {
            steps.push_back(1);
            scope.cancel();
            steps.push_back(2);
            co_await rf::this_task::checkpoint();
            steps.push_back(3);
        });
        steps.push_back(4);
    });
    CHECK(steps == std::vector{1, 2, 4});
}

#if RF_EXCEPTIONS

TEST_CASE("cancel_scope: no catch (...) sees a cancellation, and a retry loop ends") {
    int caught = 0;
    int attempts = 0;
    run_sim([&]() -> rf::task<> {
        const bool finished = co_await rf::move_on_after(5ms, [&]() -> rf::task<> {
            for (;;) {
                ++attempts;
                try {
                    co_await rf::sleep_for(2ms);
                    throw std::runtime_error("try again");
                } catch (...) {
                    ++caught;
                }
            }
        });
        CHECK_FALSE(finished);
    });
    CHECK(attempts == 3);
    CHECK(caught == 2);
}

TEST_CASE("cancel_scope: an exception of the body goes through a cancelled scope") {
    bool caught = false;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        try {
            (void)co_await scope.run([&]() -> rf::task<> {
                scope.cancel();
                throw std::logic_error("bug");
                co_return;
            });
        } catch (const std::logic_error&) {
            caught = true;
        }
    });
    CHECK(caught);
}

#endif
