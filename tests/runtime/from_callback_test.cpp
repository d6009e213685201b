// SPDX-License-Identifier: MIT
#include "callback_service.hpp"
#include "combinator_work.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/from_callback.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
#if RF_EXCEPTIONS
using test::message_of;
#endif

namespace {

std::exception_ptr failure(const char* what) {
    return std::make_exception_ptr(std::runtime_error(what));
}

}  // namespace

TEST_CASE("from_callback: gives the value that the callback was completed with") {
    const auto report = rf::test::report_sim(test::on_one_thread(), []() -> rf::task<> {
        const int at_once = co_await rf::from_callback<int>(
            [](rf::completer<int> done) { CHECK(done.complete(1)); });
        CHECK(at_once == 1);
        test::callback_service<std::unique_ptr<int>> api;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto answer = [&]() -> rf::task<> {
                co_await rf::sleep_for(10ms);
                api.pending->complete(std::make_unique<int>(2));
            };
            jobs.spawn(answer);
            const auto later = co_await api.request();
            CHECK(*later == 2);
        });
        co_await rf::from_callback([](rf::completer<void> done) { done.complete(); });
        int number = 3;
        int& same = co_await rf::from_callback<int&>(
            [&](rf::completer<int&> done) { done.complete(number); });
        CHECK(&same == &number);
    });
    CHECK(report.status == 0);
}

TEST_CASE("from_callback: the first completion counts, on whichever copy") {
    const auto report = rf::test::report_sim(test::on_one_thread(), []() -> rf::task<> {
        const int got = co_await rf::from_callback<int>([](rf::completer<int> done) {
            const rf::completer<int> copy = done;
            CHECK(copy.complete(1));
            CHECK_FALSE(done.complete(2));
            CHECK_FALSE(done.fail(failure("late")));
            CHECK_FALSE(done.cancelled());
        });
        CHECK(got == 1);
    });
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS
TEST_CASE("from_callback: a failure is thrown with its own type") {
    const auto report = rf::test::report_sim(test::on_one_thread(), []() -> rf::task<> {
        co_await rf::from_callback([](rf::completer<void> done) { done.fail(failure("x")); });
    });
    CHECK(message_of(report.error) == "x");
}

TEST_CASE("from_callback: dropping the last completer fails the wait") {
    test::callback_service<int> api;
    const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto drop = [&]() -> rf::task<> {
                co_await rf::sleep_for(10ms);
                api.pending.reset();
            };
            jobs.spawn(drop);
            (void)co_await api.request();
        });
    });
    CHECK(message_of(report.error).find("will never be called") != std::string::npos);
    const auto at_once = rf::test::report_sim(
        {}, []() -> rf::task<> { co_await rf::from_callback([](rf::completer<void>) {}); });
    CHECK(message_of(at_once.error).find("will never be called") != std::string::npos);
}

TEST_CASE("from_callback: what start throws is thrown, whether it has completed or not") {
    const auto before = rf::test::report_sim(test::on_one_thread(), []() -> rf::task<> {
        co_await rf::from_callback([](rf::completer<void>) { throw std::runtime_error("no"); });
    });
    CHECK(message_of(before.error) == "no");
    const auto after = rf::test::report_sim(test::on_one_thread(), []() -> rf::task<> {
        co_await rf::from_callback([](rf::completer<void> done) {
            done.complete();
            throw std::runtime_error("after");
        });
    });
    CHECK(message_of(after.error) == "after");
}

TEST_CASE("from_callback: a completer that was kept past a failed start changes nothing") {
    std::optional<rf::completer<int>> kept;
    const auto report = rf::test::report_sim(test::on_one_thread(), [&]() -> rf::task<> {
        (void)co_await rf::from_callback<int>([&](rf::completer<int> done) {
            kept = std::move(done);
            throw std::runtime_error("no");
        });
    });
    CHECK(message_of(report.error) == "no");
    CHECK_FALSE(kept->complete(1));
}
#endif
