// SPDX-License-Identifier: MIT
#include "object_tracker.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <tests/runtime/sim_report.hpp>
#include <tests/support/death.hpp>
#include <vector>

#if RF_EXCEPTIONS

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

struct first_failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

rf::task<> fail_after(std::chrono::milliseconds when, const char* what) {
    co_await rf::sleep_for(when);
    throw std::runtime_error(what);
}
rf::task<> fail_typed(std::chrono::milliseconds when) {
    co_await rf::sleep_for(when);
    throw first_failure("typed");
}
rf::task<> finish_after(std::chrono::milliseconds when, int& count) {
    co_await rf::sleep_for(when);
    ++count;
}

/// Runs a nursery and gives what it threw; empty if nothing.
template <class Body>
rf::task<std::string> thrown_by(rf::nursery_options options, Body body) {
    std::string text;
    try {
        co_await rf::with_nursery(options, body);
    } catch (const std::exception& thrown) {
        text = thrown.what();
    }
    co_return text;
}

}  // namespace

TEST_CASE(
    "nursery: a failing child cancels its siblings and the body, and is rethrown with its type") {
    int finished = 0;
    bool caught = false;
    rf::instant took = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        const rf::instant begin = rf::loop::here().now();
        try {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(finish_after, 100ms, std::ref(finished));
                jobs.spawn(fail_typed, 10ms);
                co_await rf::sleep_for(100ms);
                ++finished;
            });
        } catch (const first_failure& thrown) {
            caught = std::string(thrown.what()) == "typed";
        }
        took = rf::loop::here().now() - begin;
    });
    CHECK(report.status == 0);
    CHECK(caught);
    CHECK(finished == 0);
    CHECK(took < 100'000'000);
    CHECK(report.final.tasks_failed == 1);
}

TEST_CASE("nursery: an exception out of the body cancels the children and is rethrown") {
    int finished = 0;
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        text = co_await thrown_by({}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(finish_after, 10ms, std::ref(finished));
            throw std::runtime_error("body");
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(text == "body");
    CHECK(finished == 0);
}

TEST_CASE("nursery: the first failure in time is thrown and later ones are heard of") {
    strings heard;
    std::string text;
    std::size_t kept = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        text = co_await thrown_by({}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.on_child_failure(
                [&](const rf::child_failure& later) { heard.push_back(later.describe()); });
            jobs.spawn([&]() -> rf::task<> {
                // Fails on its way out of the cancellation that the first failure caused.
                co_await rf::finally(rf::sleep_forever(), [&]() -> rf::task<> {
                    kept = jobs.failures().size();
                    throw std::runtime_error("second");
                    co_return;
                });
            });
            jobs.spawn(fail_after, 5ms, "first");
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(text == "first");
    CHECK(kept == 1);
    REQUIRE(heard.size() == 1);
    CHECK(heard[0].find("second") != std::string::npos);
    CHECK(heard[0].find("nursery_failure_test.cpp:") != std::string::npos);
}

TEST_CASE("nursery: with a list to fill, all failures are there in order and none is thrown") {
    std::vector<rf::child_failure> failures;
    strings texts;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery({.on_failure = rf::collect, .failures = &failures},
                                  [&](rf::nursery& jobs) -> rf::task<> {
                                      jobs.spawn(fail_after, 20ms, "late");
                                      jobs.spawn(fail_after, 10ms, "early");
                                      co_return;
                                  });
        for (const rf::child_failure& failure : failures) {
            try {
                std::rethrow_exception(failure.error);
            } catch (const std::exception& thrown) {
                texts.push_back(thrown.what());
            }
        }
    });
    CHECK(report.status == 0);
    CHECK(texts == strings{"early", "late"});
    CHECK(failures[0].task_id > failures[1].task_id);
}

TEST_CASE("nursery: a failure that is neither thrown nor heard of is printed, the body's too") {
    const auto end = rf::test::run_to_death([] {
        const auto report = test::run_sim([]() -> rf::task<> {
            const std::string text = co_await thrown_by({.on_failure = rf::collect},
                                                        [](rf::nursery& jobs) -> rf::task<> {
                                                            jobs.spawn(fail_after, 1ms, "first");
                                                            jobs.spawn(fail_after, 2ms, "second");
                                                            co_await rf::sleep_for(3ms);
                                                            throw std::runtime_error("third");
                                                        });
            CHECK(text == "first");
        });
        CHECK(report.status == 0);
    });
    CHECK(end.status == 0);
    CHECK_FALSE(end.says("failed: first"));
    CHECK(end.says("failed: second\n"));
    CHECK(end.says("\"the nursery's body\""));
    CHECK(end.says("failed: third\n"));
}

TEST_CASE("nursery: under isolate a child's failure is its own and a handler hears of each") {
    int finished = 0;
    strings heard;
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        text =
            co_await thrown_by({.on_failure = rf::isolate}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.on_child_failure(
                    [&](const rf::child_failure& failure) { heard.push_back(failure.describe()); });
                jobs.spawn(fail_after, 1ms, "one");
                jobs.spawn(fail_after, 2ms, "two");
                jobs.spawn(finish_after, 10ms, std::ref(finished));
                co_await rf::sleep_for(5ms);
                ++finished;
            });
    });
    CHECK(report.status == 0);
    CHECK(text == "");
    CHECK(finished == 2);
    REQUIRE(heard.size() == 2);
    CHECK(heard[0].ends_with("failed: one"));
    CHECK(heard[1].ends_with("failed: two"));
}

TEST_CASE("nursery: isolate does not hide what the body throws") {
    int finished = 0;
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        text =
            co_await thrown_by({.on_failure = rf::isolate}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(finish_after, 10ms, std::ref(finished));
                throw std::runtime_error("body");
                co_return;
            });
    });
    CHECK(report.status == 0);
    CHECK(text == "body");
    CHECK(finished == 0);
}

TEST_CASE("nursery: under collect all run to their end and the first failure is thrown then") {
    int finished = 0;
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        text =
            co_await thrown_by({.on_failure = rf::collect}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(finish_after, 30ms, std::ref(finished));
                jobs.spawn(fail_after, 20ms, "later");
                jobs.spawn(fail_after, 10ms, "first");
                co_return;
            });
        CHECK(finished == 1);
    });
    CHECK(report.status == 0);
    CHECK(text == "first");
}

TEST_CASE("nursery: what is thrown is told even when the nursery is cancelled from outside") {
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        (void)co_await scope.run([&]() -> rf::task<> {
            text = co_await thrown_by({}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn([]() -> rf::task<> {
                    co_await rf::finally(rf::sleep_forever(), []() -> rf::task<> {
                        throw std::runtime_error("in cleanup");
                        co_return;
                    });
                });
                co_await rf::sleep_for(1ms);
                scope.cancel();
            });
        });
    });
    CHECK(report.status == 0);
    CHECK(text == "in cleanup");
}

TEST_CASE("nursery: cancelling itself before its body has a value is a cancelled_error") {
    bool caught = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        try {
            (void)co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<int> {
                jobs.cancel("changed my mind");
                co_await rf::sleep_for(1ms);
                co_return 1;
            });
        } catch (const rf::cancelled_error& error) {
            caught = error.cause() == rf::cancel_cause::requested;
        }
    });
    CHECK(report.status == 0);
    CHECK(caught);
}

TEST_CASE("nursery: a function that throws in place of making a task starts nothing") {
    test::object_ledger objects;
    bool caught = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            try {
                jobs.spawn([](const test::tracked&) -> rf::task<> { throw std::bad_alloc(); },
                           test::tracked(objects));
            } catch (const std::bad_alloc&) {
                caught = true;
            }
            CHECK(jobs.statistics().started == 0);
            co_return;
        });
    });
    CHECK(report.status == 0);
    CHECK(caught);
    CHECK(objects.clean());
}

#endif
