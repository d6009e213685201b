// SPDX-License-Identifier: MIT
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>
#include <tests/support/death.hpp>
#include <tests/support/run_sim.hpp>

using namespace std::chrono_literals;
using rf::test::report_sim;
using rf::test::run_to_death;

namespace {

rf::test::sim_options stopping_on(rf::signal_list signals) {
    rf::test::sim_options options;
    options.run.stop_on = signals;
    return options;
}

/// Sends the process `signal` a millisecond apart, `count` times.
rf::task<> send_signal(int signal, int count) {
    for (int i = 0; i < count; ++i) {
        co_await rf::sleep_for(1ms);
        std::raise(signal);
    }
}

}  // namespace

TEST_CASE("signals: the first stop signal drains a program that listens, and it ends well") {
    bool drained = false;
    const auto report = report_sim(stopping_on({SIGTERM, SIGINT}), [&]() -> rf::task<int> {
        rf::root_nursery().spawn(send_signal, SIGTERM, 1);
        co_await rf::this_task::wait_draining();
        drained = true;
        co_await rf::sleep_for(5ms);
        co_return 4;
    });
    CHECK(drained);
    CHECK(report.status == 4);
    CHECK(report.stopped_by == SIGTERM);
    CHECK_FALSE(report.cancelled);
}

TEST_CASE("signals: the first stop signal cancels a program in which nobody listens for drains") {
    const auto report = report_sim(stopping_on({SIGTERM}), []() -> rf::task<> {
        rf::root_nursery().spawn(send_signal, SIGTERM, 1);
        co_await rf::sleep_forever();
    });
    CHECK(report.status == 0);
    CHECK(report.cancelled);
    CHECK(report.stopped_by == SIGTERM);
    CHECK(report.deadlock == "");
}

TEST_CASE("signals: the second stop signal cancels, and the status names it") {
    const auto report = report_sim(stopping_on({SIGTERM, SIGINT}), []() -> rf::task<> {
        rf::root_nursery().spawn(send_signal, SIGINT, 2);
        co_await rf::this_task::wait_draining();
        co_await rf::sleep_forever();
    });
    CHECK(report.status == 128 + SIGINT);
    CHECK(report.cancelled);
    CHECK(report.stopped_by == SIGINT);
}

TEST_CASE("signals: two that arrive at once count as two") {
    const auto report = report_sim(stopping_on({SIGTERM}), []() -> rf::task<> {
        rf::root_nursery().spawn([]() -> rf::task<> {
            co_await rf::sleep_for(1ms);
            std::raise(SIGTERM);
            std::raise(SIGTERM);
        });
        co_await rf::this_task::wait_draining();
        co_await rf::sleep_forever();
    });
    CHECK(report.status == 128 + SIGTERM);
}

TEST_CASE("signals: the third stop signal aborts with a dump of who did not end") {
    const auto end = run_to_death([] {
        (void)report_sim(stopping_on({SIGTERM}), []() -> rf::task<> {
            rf::this_task::set_name("cannot let go");
            rf::root_nursery().spawn(
                []() -> rf::task<> { co_await rf::shield(1h, send_signal(SIGTERM, 3)); });
            co_await rf::this_task::wait_draining();
            co_await rf::shield(1h, rf::sleep_forever());
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("ringfence: third stop signal (15); aborting with"));
    CHECK(end.says("\"cannot let go\": sleep for sleep without end"));
    CHECK(end.says("CANCELLED"));
    CHECK(end.says("signal 15, the second"));
}

TEST_CASE("signals: a drain that takes longer than its grace becomes a cancel") {
    const auto end = run_to_death([] {
        auto options = stopping_on({SIGTERM});
        options.run.drain_grace = 20ms;
        const auto report = report_sim(options, []() -> rf::task<> {
            rf::root_nursery().spawn(send_signal, SIGTERM, 1);
            co_await rf::this_task::wait_draining();
            co_await rf::sleep_forever();
        });
        std::_Exit(report.status == 0 && report.cancelled ? 0 : 9);
    });
    CHECK(end.status == 0);
    CHECK(end.says("the grace period of a drain has passed"));
}

TEST_CASE("signals: SIGQUIT prints the task tree to standard error and the run goes on") {
    const auto end = run_to_death([] {
        const auto report = report_sim({}, []() -> rf::task<int> {
            rf::this_task::set_name("main loop");
            co_await send_signal(SIGQUIT, 2);
            co_await rf::sleep_for(5ms);
            co_return 6;
        });
        std::_Exit(report.status);
    });
    CHECK(end.status == 6);
    CHECK(end.says("ringfence: 1 tasks, 0 operations"));
    CHECK(end.says("\"main loop\": sleep for sleep, "));
    CHECK(end.says("signals_test.cpp:"));
    const auto first = end.said.find("nursery \"root\"");
    REQUIRE(first != std::string::npos);
    CHECK(end.said.find("nursery \"root\"", first + 1) != std::string::npos);
}

TEST_CASE("signals: without dump_on_quit, SIGQUIT does what it always did") {
    const auto end = run_to_death([] {
        std::signal(SIGQUIT, [](int) { std::_Exit(33); });
        rf::test::sim_options options;
        options.run.dump_on_quit = false;
        (void)report_sim(options, [] { return send_signal(SIGQUIT, 1); });
    });
    CHECK(end.status == 33);
}

TEST_CASE("signals: what was installed before is there again after the run") {
    struct sigaction mine{};
    mine.sa_handler = [](int) {};
    struct sigaction original{};
    REQUIRE(sigaction(SIGUSR1, &mine, &original) == 0);
    void (*during)(int) = nullptr;
    const auto report = report_sim(stopping_on({SIGUSR1}), [&]() -> rf::task<> {
        struct sigaction now{};
        (void)sigaction(SIGUSR1, nullptr, &now);
        during = now.sa_handler;
        co_return;
    });
    struct sigaction after{};
    REQUIRE(sigaction(SIGUSR1, &original, &after) == 0);
    CHECK(report.status == 0);
    const bool replaced = during != mine.sa_handler;
    CHECK(replaced);
    const bool restored = after.sa_handler == mine.sa_handler;
    CHECK(restored);
}

TEST_CASE("signals: those from before the run do not stop it") {
    const auto first = report_sim(stopping_on({SIGTERM}), []() -> rf::task<> {
        rf::root_nursery().spawn(send_signal, SIGTERM, 1);
        co_await rf::sleep_forever();
    });
    CHECK(first.stopped_by == SIGTERM);
    const auto second =
        report_sim(stopping_on({SIGTERM}), []() -> rf::task<> { co_await rf::sleep_for(5ms); });
    CHECK(second.stopped_by == 0);
    CHECK_FALSE(second.cancelled);
}

TEST_CASE("signals: a stop signal wakes a loop that sleeps in the kernel") {
    rf::run_options options;
    options.stop_on = {SIGUSR2};
    const auto report = rf::run_and_report(
        []() -> rf::task<> {
            // Sent by the kernel once this loop sleeps, or shortly before: either must end the run.
            rf::root_nursery().spawn([]() -> rf::task<> {
                co_await rf::this_task::yield();
                struct sigevent event{};
                event.sigev_notify = SIGEV_SIGNAL;
                event.sigev_signo = SIGUSR2;
                timer_t timer{};
                (void)timer_create(CLOCK_MONOTONIC, &event, &timer);
                const rf::scope_exit remove([&] { (void)timer_delete(timer); });
                struct itimerspec when{};
                when.it_value.tv_nsec = 2'000'000;
                (void)timer_settime(timer, 0, &when, nullptr);
                co_await rf::sleep_forever();
            });
            co_await rf::sleep_forever();
        },
        options);
    CHECK(report.status == 0);
    CHECK(report.stopped_by == SIGUSR2);
}
