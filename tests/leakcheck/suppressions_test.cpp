// SPDX-License-Identifier: MIT
// That suppressions reach every check, and that a leak reaches the status of the program.
#include "tests/support/has.hpp"
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/doctest.hpp>
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using rf::leakcheck::bubble;
using rf::leakcheck::bubble_options;
using rf::leakcheck::bubble_report;
using rf::leakcheck::leak_suppressions;
using rf::leakcheck::may_leave;
using rf::leakcheck::simulated_kernel;
using rf::test::has;

namespace {

rf::task<> wait_for_ever() {
    rf::sync::event never;
    co_await never.wait();
}

/// Ends, and leaves a task of the root nursery that nobody wakes.
rf::task<> leave_a_task() {
    rf::root_nursery().spawn(wait_for_ever);
    co_return;
}

rf::task<> leave_a_descriptor() {
    (void)simulated_kernel::here().make_eventfd();
    co_return;
}

rf::task<> lock_left(rf::sync::mutex& left, rf::sync::mutex& right) {
    auto first = co_await left.lock();
    co_await rf::this_task::yield();
    auto second = co_await right.lock();
}
rf::task<> lock_right(rf::sync::mutex& left, rf::sync::mutex& right) {
    auto first = co_await right.lock();
    co_await rf::this_task::yield();
    auto second = co_await left.lock();
}

/// Opens it in the process, for good.
void leave_null_open() { (void)::open("/dev/null", O_RDONLY | O_CLOEXEC); }

struct ended {
    int status = -1;
    std::string said;
};

/// This program with those of its test cases alone that are skipped, under its own main.
ended run_planted(std::string_view cases) {
    const std::string command =
        fmt::format("/proc/{}/exe --no-skip --no-colors -tc='planted: {}' 2>&1", ::getpid(), cases);
    ended seen;
    FILE* const output = ::popen(command.c_str(), "r");  // NOLINT(cert-env33-c)
    REQUIRE(output != nullptr);
    std::array<char, 512> part;
    while (const std::size_t size = std::fread(part.data(), 1, part.size(), output))
        seen.said.append(part.data(), size);
    const int status = ::pclose(output);
    seen.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return seen;
}

leak_suppressions a_daemon() {
    leak_suppressions allowed;
    (void)allowed.ignore_function("wait_for_ever", "a daemon of the test");
    return allowed;
}

}  // namespace

// What follows runs in a process of its own, see run_planted().

TEST_CASE("planted: a case that is clean" * doctest::skip()) { CHECK(true); }
TEST_CASE("planted: a descriptor" * doctest::skip()) { leave_null_open(); }
TEST_CASE("planted: a failure" * doctest::skip()) { CHECK(false); }
TEST_CASE("planted: an allowed descriptor" * doctest::skip() *
          may_leave().label("/dev/null", "planted")) {
    leave_null_open();
}
TEST_CASE("planted: two descriptors and one expected" * doctest::skip() *
          may_leave().exactly(1, "/dev/null", "planted")) {
    leave_null_open();
    leave_null_open();
}
TEST_CASE("planted: nothing though it may" * doctest::skip() *
          may_leave().label("/dev/null", "the case is clean")) {}
TEST_CASE("planted: an unchecked guard" * doctest::skip()) {
    const bubble_report report = bubble([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            {
                rf::leakcheck::leak_guard guard;
                jobs.spawn([]() -> rf::task<> { co_await rf::sleep_for(1s); });
            }
            co_return;
        });
    });
    CHECK(report.ok());
}
RF_TEST("planted: a task in RF_TEST" * doctest::skip()) { co_await leave_a_task(); }
RF_TEST("planted: an allowed task in RF_TEST" * doctest::skip() *
        may_leave().function("wait_for_ever", "planted").label("tenant", "no such")) {
    co_await leave_a_task();
}

TEST_CASE("run_guarded: returns 1 when a test case left something, and 0 otherwise") {
    ended seen = run_planted("a case that is clean");
    CHECK_MESSAGE(seen.status == 0, seen.said);
    CHECK(has(seen.said, "1 passed"));
    seen = run_planted("a descriptor");
    CHECK(seen.status == 1);
    CHECK(has(seen.said, "1 passed"));  // to doctest it had ended well
    CHECK(has(seen.said, "the test case \"planted: a descriptor\" did not leave things"));
    CHECK(has(seen.said, "/dev/null"));
    seen = run_planted("an unchecked guard");
    CHECK(seen.status == 1);
    CHECK(has(seen.said, "a leak_guard found something"));
    seen = run_planted("a failure");
    CHECK(seen.status == 1);
    CHECK_FALSE(has(seen.said, "left something behind"));
}

TEST_CASE("may_leave: what a test case may leave is no leak, and beyond it all is") {
    ended seen = run_planted("an allowed descriptor");
    CHECK_MESSAGE(seen.status == 0, seen.said);
    CHECK_FALSE(has(seen.said, "WARNING"));
    seen = run_planted("two descriptors and one expected");
    CHECK(seen.status == 1);
    CHECK(has(seen.said, "left open: descriptor"));
    CHECK(has(seen.said, "met 2, not 1"));
    seen = run_planted("nothing though it may");
    CHECK_MESSAGE(seen.status == 0, seen.said);
    CHECK(has(seen.said, "\"label /dev/null # the case is clean\" was not needed"));
}

TEST_CASE("RF_TEST: a task that waits for ever fails it, unless it may") {
    ended seen = run_planted("a task in RF_TEST");
    CHECK(seen.status == 1);
    CHECK(has(seen.said, "PROVEN quiescent"));
    seen = run_planted("an allowed task in RF_TEST");
    CHECK_MESSAGE(seen.status == 0, seen.said);
    CHECK(has(seen.said, "\"label tenant # no such\" was not needed"));
    CHECK_FALSE(has(seen.said, "function wait_for_ever"));
}

TEST_CASE("guard_main: turns 0 into 1 if something was left, and says what was not needed") {
    int opened = -1;
    const auto leaves = [&] { return opened = ::open("/dev/null", O_RDONLY | O_CLOEXEC), 0; };
    leak_suppressions allowed;
    (void)allowed.ignore_label("/dev/null", "planted");
    CHECK(rf::leakcheck::guard_main([] { return 0; }) == 0);
    CHECK(rf::leakcheck::guard_main([] { return 7; }) == 7);
    CHECK(rf::leakcheck::guard_main(leaves, &allowed) == 0);
    ::close(opened);
    CHECK(allowed.unused().empty());
    CHECK(rf::leakcheck::guard_main(leaves) == 1);
    ::close(opened);
    rf::leakcheck::accept_process_state();
}

TEST_CASE("bubble: tasks that may wait for ever end with the run, others fail it") {
    CHECK(has(bubble(leave_a_task).failure, "PROVEN quiescent"));
    leak_suppressions allowed = a_daemon();
    bubble_options options;
    options.allowed = &allowed;
    const bubble_report report = bubble(leave_a_task, options);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.unused.empty());
    const auto another = []() -> rf::task<> {
        co_await leave_a_task();
        rf::sync::event never;
        co_await never.wait();
    };
    const bubble_report failed = bubble(another, options);
    CHECK(has(failed.failure, "PROVEN quiescent: a task waits"));
    CHECK_FALSE(has(failed.failure.substr(0, failed.failure.find("advice")), "wait_for_ever"));
    const bubble_report clean = bubble([]() -> rf::task<> { co_return; }, options);
    CHECK(clean.unused.empty());  // it was needed before, by the same list
    leak_suppressions unneeded = a_daemon();
    options.allowed = &unneeded;
    CHECK(has(bubble([]() -> rf::task<> { co_return; }, options).unused, "was not needed"));
}

TEST_CASE("bubble: a cycle that has lasted too long is allowed with both of its tasks") {
    const auto program = []() -> rf::task<> {
        rf::sync::mutex a;
        rf::sync::mutex b;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(lock_left, std::ref(a), std::ref(b));
            jobs.spawn(lock_right, std::ref(a), std::ref(b));
            for (int i = 0; i < 1000; ++i)
                co_await rf::sleep_for(1s);
            jobs.cancel("enough");
        });
    };
    bubble_options options;
    leak_suppressions one;
    (void)one.ignore_function("lock_left", "planted");
    options.allowed = &one;
    CHECK(has(bubble(program, options).failure, "PROVEN cycle"));
    (void)one.ignore_function("lock_right", "planted");
    const bubble_report report = bubble(program, options);
    CHECK_MESSAGE(report.ok(), report.failure);
}

TEST_CASE("bubble: a descriptor that may be left, and as many as expected in each run") {
    leak_suppressions allowed;
    (void)allowed.ignore_label("eventfd", "planted");
    bubble_options options;
    options.allowed = &allowed;
    CHECK(has(bubble(leave_a_descriptor).failure, "descriptors were left open"));
    CHECK_MESSAGE(bubble(leave_a_descriptor, options).ok(), "left");
    CHECK(allowed.unused().empty());

    leak_suppressions counted;
    (void)counted.expect(1, "suppressions_test.cpp:48", "the daemon");
    options.allowed = &counted;
    options.explore = rf::leakcheck::explore::random;
    options.budget.runs = 5;
    const bubble_report report = bubble(leave_a_task, options);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.runs == 5);
    CHECK(report.unused.empty());
}

TEST_CASE("for_each_cancel_point: what may be left is no failure in any of its runs") {
    const auto program = []() -> rf::task<> {
        (void)simulated_kernel::here().make_eventfd();
        co_await rf::sleep_for(1s);
    };
    CHECK_FALSE(rf::leakcheck::for_each_cancel_point(program).ok());
    leak_suppressions allowed;
    (void)allowed.ignore_label("eventfd", "planted");
    rf::leakcheck::cancel_point_options options;
    options.allowed = &allowed;
    const auto report = rf::leakcheck::for_each_cancel_point(program, options);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.unused.empty());
}

TEST_CASE("leak_suppressions: what is expected is counted for each check") {
    const bubble_report report = bubble([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            leak_suppressions allowed;
            (void)allowed.expect(1, "suppressions_test.cpp:274", "planted");
            rf::leakcheck::leak_guard guard(allowed);
            jobs.spawn([]() -> rf::task<> { co_await rf::this_task::yield(); });
            CHECK(guard.findings() == "");
            CHECK(guard.findings() == "");
            CHECK(allowed.unused() == "");
            co_return;
        });
    });
    CHECK_MESSAGE(report.ok(), report.failure);
}
