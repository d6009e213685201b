// SPDX-License-Identifier: MIT
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <tests/support/death.hpp>
#include <tests/support/run_sim.hpp>

using namespace std::chrono_literals;
using rf::test::report_sim;
using rf::test::run_to_death;

namespace {

rf::task<> waits_for_ever() { co_await rf::sleep_forever(); }

}  // namespace

TEST_CASE("run: returns the program's status, zero for one that has none") {
    CHECK(report_sim({}, []() -> rf::task<> { co_return; }).status == 0);
    CHECK(report_sim({}, []() -> rf::task<int> { co_return 3; }).status == 3);
}

TEST_CASE("run: on the real kernel, twice in a row") {
    for (int i = 0; i < 2; ++i) {
        const int status = rf::run([]() -> rf::task<int> {
            co_await rf::sleep_for(std::chrono::microseconds(10));
            co_return 5;
        });
        CHECK(status == 5);
    }
}

TEST_CASE("run: takes the function that it is given with it") {
    auto owned = std::make_unique<int>(4);
    const auto report = report_sim({}, [moved = std::move(owned)]() -> rf::task<int> {
        co_await rf::sleep_for(1ms);
        co_return *moved;
    });
    CHECK(report.status == 4);
}

TEST_CASE("run: waits for what the program left running in the root nursery") {
    bool ended = false;
    const auto report = report_sim({}, [&]() -> rf::task<> {
        rf::root_nursery().spawn([&ended]() -> rf::task<> {
            co_await rf::sleep_for(5ms);
            ended = true;
        });
        co_return;
    });
    CHECK(report.status == 0);
    CHECK(ended);
}

TEST_CASE("run: counts what it ran") {
    const auto report = report_sim({}, []() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 4; ++i)
                jobs.spawn([]() -> rf::task<> { co_return; });
            co_return;
        });
    });
    CHECK(report.final.empty());
    CHECK(report.final.tasks_started == 5);
    CHECK(report.final.tasks_peak == 5);
    CHECK(report.final.receipt() == "0 tasks, 0 operations, 0 timers, 0 buffers, 0 descriptors");
    CHECK(report.leaks == "");
    CHECK(report.deadlock == "");
    CHECK_FALSE(report.cancelled);
}

TEST_CASE("run: a task that gives up on a part of its work does not count as cancelled") {
    const auto report = report_sim({}, []() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([]() -> rf::task<> {
                const bool finished = co_await rf::move_on_after(1ms, rf::sleep_forever());
                CHECK_FALSE(finished);
                co_await rf::sleep_for(1ms);
            });
            jobs.spawn([]() -> rf::task<> { co_await rf::sleep_forever(); });
            co_await rf::sleep_for(5ms);
            jobs.cancel();
        });
    });
    CHECK(report.final.tasks_started == 3);
    CHECK(report.final.tasks_cancelled == 1);
}

TEST_CASE("run: a program that can never go on fails at once, and says who waits for what") {
    const auto report = report_sim({}, []() -> rf::task<> {
        co_await rf::with_nursery({.name = "stuck"}, [](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(waits_for_ever);
            co_return;
        });
    });
    CHECK(report.status == rf::exit_status_failure);
    CHECK(report.cancelled);
    CHECK(report.deadlock.starts_with("deadlock: every task waits, and nothing is left that could "
                                      "wake one"));
    CHECK(report.deadlock.find("nursery \"stuck\", 1 alive") != std::string::npos);
    CHECK(report.deadlock.find("sleep for sleep without end") != std::string::npos);
    CHECK(report.deadlock.find("join for 1 child of its nursery to end") != std::string::npos);
    CHECK(report.deadlock.find("run_test.cpp:") != std::string::npos);
    CHECK(report.final.empty());
}

TEST_CASE("run: a descriptor left open is reported with its line, and the status says so") {
    rf::descriptor_entry left;
    const auto report = report_sim({}, [&]() -> rf::task<> {
        co_await rf::sleep_for(1ms);
        left.open(1000, "pretended socket");
    });
    CHECK(report.status == rf::exit_status_leak);
    CHECK(report.final.descriptors == 1);
    CHECK(report.leaks.find("1 descriptors") != std::string::npos);
    CHECK(report.leaks.find("descriptor 1000: pretended socket opened at ") != std::string::npos);
    CHECK(report.leaks.find("run_test.cpp:") != std::string::npos);
    CHECK_FALSE(left.is_open());
}

TEST_CASE("run: a leak keeps the status of a program that failed by itself") {
    rf::descriptor_entry left;
    const auto report = report_sim({}, [&]() -> rf::task<int> {
        left.open(1000, "pretended socket");
        co_return 9;
    });
    CHECK(report.status == 9);
    CHECK(report.leaks != "");
}

TEST_CASE("run: with on_leak::abort, what is left open ends the process") {
    const auto end = run_to_death([] {
        static rf::descriptor_entry left;
        rf::test::sim_options options;
        options.run.leaks = rf::on_leak::abort;
        (void)report_sim(options, []() -> rf::task<> {
            left.open(1000, "pretended socket");
            co_return;
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("left open at the end of the run"));
    CHECK(end.says("descriptor 1000: pretended socket"));
}

TEST_CASE("run: prints a deadlock") {
    const auto end = run_to_death([] {
        const int status = rf::run([] { return waits_for_ever(); }, {.dump_on_quit = false});
        std::_Exit(status);
    });
    CHECK(end.status == rf::exit_status_failure);
    CHECK(end.says("ringfence: deadlock: every task waits"));
}

TEST_CASE("run: many loops can run in a process, one per thread") {
    // One after another on one thread: nothing of the first is seen by the second.
    for (int i = 0; i < 3; ++i) {
        const auto report = report_sim({}, []() -> rf::task<> { co_await rf::sleep_for(1ms); });
        CHECK(report.final.tasks_started == 1);
    }
    CHECK(rf::loop::current() == nullptr);
}

#if RF_EXCEPTIONS

TEST_CASE("run: an exception out of the program is in the report, and the status is a failure") {
    const auto report = report_sim({}, []() -> rf::task<> {
        co_await rf::sleep_for(1ms);
        throw std::out_of_range("bad index");
    });
    CHECK(report.status == rf::exit_status_failure);
    REQUIRE(report.error != nullptr);
    CHECK_THROWS_AS(std::rethrow_exception(report.error), std::out_of_range);
}

TEST_CASE("run: a failing daemon cancels the program, and fails it") {
    const auto report = report_sim({}, []() -> rf::task<> {
        rf::root_nursery().spawn([]() -> rf::task<> {
            co_await rf::sleep_for(1ms);
            throw std::runtime_error("daemon");
        });
        co_await rf::sleep_forever();
    });
    CHECK(report.status == rf::exit_status_failure);
    CHECK(report.cancelled);
    CHECK_THROWS_WITH(std::rethrow_exception(report.error), "daemon");
}

TEST_CASE("run: prints what the program threw, whatever it is") {
    const auto end = run_to_death([] {
        const int first = rf::run([]() -> rf::task<> {
            throw std::runtime_error("no such user");
            co_return;
        });
        const int second = rf::run([]() -> rf::task<> {
            throw 7;
            co_return;
        });
        std::_Exit(first * 10 + second);
    });
    CHECK(end.status == 11);
    CHECK(end.says("ringfence: the program failed: no such user"));
    CHECK(end.says("the program failed: an exception that is not a std::exception"));
}

#endif
