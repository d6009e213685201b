// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <source_location>
#include <string>
#include <tests/support/lifetime_tracker.hpp>
#include <tests/support/run_sim.hpp>

using namespace std::chrono_literals;
using rf::test::lifetime_tracker;
using rf::test::lifetimes;
using rf::test::run_sim;
using rf::test::stopwatch;

namespace {

rf::task<int> answer_after(std::chrono::milliseconds span) {
    co_await rf::sleep_for(span);
    co_return 42;
}

}  // namespace

TEST_CASE("move_on_after: the value in time, nothing when the limit has passed") {
    run_sim([]() -> rf::task<> {
        const std::optional<int> value = co_await rf::move_on_after(5ms, answer_after(4ms));
        CHECK(value == 42);
        stopwatch watch;
        const std::optional<int> none = co_await rf::move_on_after(5ms, answer_after(6ms));
        CHECK_FALSE(none.has_value());
        CHECK(watch.elapsed() == 5ms);
    });
}

TEST_CASE("move_on_at: takes a point in time, in the past too") {
    run_sim([]() -> rf::task<> {
        stopwatch watch;
        const bool late = co_await rf::move_on_at(rf::clock::now() + 3ms, rf::sleep_forever());
        CHECK_FALSE(late);
        CHECK(watch.elapsed() == 3ms);
        const bool past = co_await rf::move_on_at(rf::clock::now() - 1ms, rf::sleep_for(1ms));
        CHECK_FALSE(past);
        CHECK(watch.elapsed() == 3ms);
    });
}

TEST_CASE("timeout: a limit of zero or less cancels at the first wait and not before") {
    run_sim([]() -> rf::task<> {
        stopwatch watch;
        for (const auto limit : {0ms, -5ms}) {
            bool began = false;
            bool went_on = false;
            const bool finished = co_await rf::move_on_after(limit, [&]() -> rf::task<> {
                began = true;
                co_await rf::this_task::checkpoint();
                went_on = true;
            });
            CHECK_FALSE(finished);
            CHECK(began);
            CHECK_FALSE(went_on);
        }
        const std::optional<int> need_not_wait =
            co_await rf::move_on_after(0ms, []() -> rf::task<int> { co_return 1; });
        CHECK(need_not_wait == 1);
        CHECK(watch.elapsed() == 0ms);
    });
}

TEST_CASE("timeout: one that is longer than time itself never fires") {
    run_sim([]() -> rf::task<> {
        const auto value = co_await rf::move_on_after(std::chrono::hours::max(), answer_after(1ms));
        CHECK(value == 42);
        CHECK_FALSE(rf::this_task::deadline().has_value());
    });
}

TEST_CASE("timeout: the inner of two limits ends the inner work alone") {
    run_sim([]() -> rf::task<> {
        stopwatch watch;
        const std::optional<int> value = co_await rf::move_on_after(10ms, []() -> rf::task<int> {
            const bool inner = co_await rf::move_on_after(3ms, rf::sleep_forever());
            CHECK_FALSE(inner);
            co_await rf::sleep_for(3ms);
            co_return 1;
        });
        CHECK(value == 1);
        CHECK(watch.elapsed() == 6ms);
    });
}

TEST_CASE("timeout: the outer of two limits ends both, and the inner does not go on") {
    run_sim([]() -> rf::task<> {
        stopwatch watch;
        bool inner_went_on = false;
        const bool finished = co_await rf::move_on_after(3ms, [&]() -> rf::task<> {
            (void)co_await rf::move_on_after(10ms, rf::sleep_forever());
            inner_went_on = true;
        });
        CHECK_FALSE(finished);
        CHECK_FALSE(inner_went_on);
        CHECK(watch.elapsed() == 3ms);
    });
}

TEST_CASE("timeout: waits until everything that ran under it is gone") {
    lifetimes book;
    run_sim([&]() -> rf::task<> {
        (void)co_await rf::move_on_after(3ms, [&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn([&]() -> rf::task<> {
                    lifetime_tracker local(book);
                    co_await rf::shield(1s, rf::sleep_for(20ms));
                });
                co_return;
            });
        });
        CHECK(book.constructed == 1);
        CHECK(book.live() == 0);
    });
}

#if RF_EXCEPTIONS

TEST_CASE("with_timeout: hands on the value, or throws timeout_error with limit and line") {
    run_sim([]() -> rf::task<> {
        const int value = co_await rf::with_timeout(5ms, answer_after(4ms));
        CHECK(value == 42);
        stopwatch watch;
        std::string text;
        const auto line = std::source_location::current().line() + 2;
        try {
            (void)co_await rf::with_timeout(5ms, answer_after(6ms));
        } catch (const rf::timeout_error& error) {
            text = error.what();
            CHECK(error.limit() == 5ms);
            CHECK(error.where().line() == line);
        }
        CHECK(text.starts_with("timed out after 5 ms (set at "));
        CHECK(text.find("timeout_test.cpp:") != text.npos);
        CHECK(watch.elapsed() == 5ms);
    });
}

TEST_CASE("with_deadline: throws timeout_error when the point in time has passed") {
    run_sim([]() -> rf::task<> {
        std::string text;
        try {
            co_await rf::with_deadline(rf::clock::now() + 2ms, rf::sleep_forever());
        } catch (const rf::timeout_error& error) {
            text = error.what();
        }
        CHECK(text.starts_with("timed out: the deadline set at "));
        bool past = false;
        try {
            co_await rf::with_deadline(rf::clock::now() - 1ms, rf::sleep_for(1ms));
        } catch (const rf::timeout_error&) {
            past = true;
        }
        CHECK(past);
    });
}

TEST_CASE("with_timeout: cancellation from outside is no timeout_error") {
    bool timed_out = false;
    bool went_on = false;
    run_sim([&]() -> rf::task<> {
        const bool finished = co_await rf::move_on_after(3ms, [&]() -> rf::task<> {
            try {
                co_await rf::with_timeout(10ms, rf::sleep_forever());
            } catch (const rf::timeout_error&) {
                timed_out = true;
            }
            went_on = true;
        });
        CHECK_FALSE(finished);
    });
    CHECK_FALSE(timed_out);
    CHECK_FALSE(went_on);
}

TEST_CASE("with_timeout: both at the same instant is the outer one's") {
    bool inner = false;
    run_sim([&]() -> rf::task<> {
        bool outer = false;
        try {
            co_await rf::with_timeout(5ms, [&]() -> rf::task<> {
                try {
                    co_await rf::with_timeout(5ms, rf::sleep_forever());
                } catch (const rf::timeout_error&) {
                    inner = true;
                }
            });
        } catch (const rf::timeout_error&) {
            outer = true;
        }
        CHECK(outer);
    });
    CHECK_FALSE(inner);
}

TEST_CASE("with_timeout: what the work throws goes through") {
    bool caught = false;
    run_sim([&]() -> rf::task<> {
        try {
            co_await rf::with_timeout(5ms, []() -> rf::task<> {
                co_await rf::sleep_for(1ms);
                throw std::logic_error("bug");
            });
        } catch (const std::logic_error&) {
            caught = true;
        }
    });
    CHECK(caught);
}

#endif
