// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

using namespace std::chrono_literals;
using rf::leakcheck::leak_guard;
using rf::leakcheck::leak_suppressions;
using rf::leakcheck::verify_none;
using rf::test::has;

namespace {

rf::task<> sleep_long() { co_await rf::sleep_for(1h); }

rf::task<> sleep_long_as(const char* name) {
    rf::this_task::set_name(name);
    co_await rf::sleep_for(1h);
}

/// Leaves `tasks` tasks in `outer` and says what its own guard has found.
rf::task<> leave_behind(rf::nursery& outer, int tasks, std::string& found) {
    leak_guard nothing_left;
    for (int i = 0; i < tasks; ++i) {
        outer.spawn(sleep_long);
        co_await rf::this_task::yield();
    }
    found = nothing_left.findings();
}

/// Runs `body(outer)` in a nursery that is cancelled at the end.
template <class Body>
void in_outer(Body body) {
    rf::test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& outer) -> rf::task<> {
            co_await body(outer);
            outer.cancel();
        });
    });
}

}  // namespace

TEST_CASE("leak_guard: a block that ends what it begins has no findings") {
    rf::test::run_real([]() -> rf::task<> {
        leak_guard nothing_left;
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
            jobs.spawn(sleep_long);
            co_await rf::this_task::yield();
            jobs.cancel();
        });
        CHECK(nothing_left.findings() == "");
    });
}

TEST_CASE("leak_guard: a task left in an outer nursery is named with its lines") {
    in_outer([](rf::nursery& outer) -> rf::task<> {
        leak_guard nothing_left;
        outer.spawn(sleep_long);
        co_await rf::this_task::yield();
        const std::string left = nothing_left.findings();
        CHECK(has(left, "spawned at"));
        CHECK(has(left, "leak_guard_test.cpp:"));
        CHECK(has(left, "sleep_long"));
        CHECK(has(left, "timer (sleep) opened at"));
    });
}

TEST_CASE("leak_guard: tests that run at the same time are told apart") {
    in_outer([](rf::nursery& outer) -> rf::task<> {
        std::string found[16];
        co_await rf::with_nursery([&](rf::nursery& tests) -> rf::task<> {
            for (int i = 0; i < 16; ++i)
                tests.spawn(leave_behind, std::ref(outer), i == 7 ? 1 : 0, std::ref(found[i]));
            co_return;
        });
        for (int i = 0; i < 16; ++i) {
            CAPTURE(i);
            CHECK((found[i] == "") == (i != 7));
        }
    });
}

TEST_CASE("leak_guard: what a grandchild leaves is found, and told to the guard around as well") {
    in_outer([](rf::nursery& outer) -> rf::task<> {
        leak_guard around;
        std::string inner;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(leave_behind, std::ref(outer), 2, std::ref(inner));
            co_return;
        });
        CHECK(has(inner, "sleep_long"));
        CHECK(around.findings() == inner);
        outer.spawn(sleep_long);
        CHECK(around.findings() != inner);
    });
}

TEST_CASE("leak_guard: a descriptor left open is named with its kind, line and function") {
    rf::test::run_real([]() -> rf::task<> {
        std::unique_ptr<rf::io::tcp_listener> kept;
        leak_guard nothing_left;
        kept = std::make_unique<rf::io::tcp_listener>(rf::io::tcp_listener::bind({"127.0.0.1", 0}));
        const std::string left = nothing_left.findings();
        CHECK(has(left, "descriptor"));
        CHECK(has(left, "tcp listener"));
        CHECK(has(left, "by task"));
        kept.reset();
        CHECK(nothing_left.findings() == "");
        co_return;
    });
}

TEST_CASE("leak_guard: each kind of suppression allows its own") {
    in_outer([](rf::nursery& outer) -> rf::task<> {
        const auto left_with = [&](leak_suppressions& allowed) -> std::string {
            leak_guard nothing_else(allowed);
            outer.spawn(sleep_long_as, "metrics");
            return nothing_else.findings();
        };
        leak_suppressions label;
        label.ignore_label("task", "has not named itself yet");
        CHECK(left_with(label) == "");
        leak_suppressions function;
        function.ignore_function("sleep_long_as", "it is the test's");
        CHECK(left_with(function) == "");
        leak_suppressions wrong;
        wrong.ignore_function("long_as", "a part of a name is no name");
        CHECK(left_with(wrong) != "");
        CHECK(has(wrong.unused(), "function long_as"));
        CHECK(has(wrong.unused(), "was not needed"));
        leak_suppressions below;
        below.ignore_below("no_such_task", "nobody is below it");
        CHECK(left_with(below) != "");
        leak_suppressions two;
        two.expect(2, "leak_guard_test.cpp:1", "not that line");
        CHECK(left_with(two) != "");
        CHECK(has(two.unused(), "met 0, not 2"));
        co_return;
    });
}

TEST_CASE("leak_suppressions: a spawn site, an expected count and an ancestor match") {
    rf::leakcheck::leak_subject left;
    left.site = "net/server.cpp:31";
    left.ancestors = {"supervisor", "net::accept_all"};
    leak_suppressions site;
    site.ignore_spawned_at("server.cpp:31", "why");
    CHECK(site.allows(left));
    leak_suppressions other;
    other.ignore_spawned_at("erver.cpp:31", "why");
    CHECK_FALSE(other.allows(left));
    leak_suppressions expected;
    expected.expect(2, "server.cpp:31", "why");
    CHECK(expected.allows(left));
    CHECK(has(expected.unused(), "met 1, not 2"));
    CHECK(expected.allows(left));
    CHECK(expected.unused() == "");
    CHECK_FALSE(expected.allows(left));
    leak_suppressions below;
    below.ignore_below("accept_all", "why");
    CHECK(below.allows(left));
}

TEST_CASE("leak_suppressions: what exists when it is made may be told from what comes later") {
    in_outer([](rf::nursery& outer) -> rf::task<> {
        outer.spawn(sleep_long);
        co_await rf::this_task::yield();
        leak_suppressions allowed;
        allowed.ignore_existing("was there before");
        CHECK(verify_none(&allowed) == "");
        CHECK(verify_none() != "");
        outer.spawn(sleep_long);
        CHECK(verify_none(&allowed) != "");
        CHECK(verify_none(outer) != "");
        co_return;
    });
}

TEST_CASE("leak_suppressions: what exists does not excuse what its task opens later") {
    rf::test::run_real([]() -> rf::task<> {
        auto kept = rf::io::tcp_listener::bind({"127.0.0.1", 0});
        leak_suppressions allowed;
        allowed.ignore_existing("the listener that stays");
        CHECK(has(verify_none(), "tcp listener"));
        CHECK(verify_none(&allowed) == "");
        auto late = rf::io::tcp_listener::bind({"127.0.0.1", 0});
        CHECK(has(verify_none(&allowed), "tcp listener"));
        co_return;
    });
}

TEST_CASE("leak_suppressions: a file is read whole, or refused with the line that is wrong") {
    leak_suppressions allowed;
    std::string refusal;
    CHECK(allowed.add_text("# what may be left\n\nspawn a.cpp:1  # why\nexpect 2 b.cpp:2 # two\n"
                           "existing # framework\n",
                           "leaks.txt", refusal));
    CHECK(has(allowed.unused(), "spawn a.cpp:1 # why, at leaks.txt:3"));
    for (const char* wrong :
         {"spawn a.cpp:1", "spawn # why", "sprawn a.cpp # why", "expect b.cpp:2 # why",
          "expect 2b.cpp:2 # why", "existing x # why", "label x #  "}) {
        CAPTURE(wrong);
        leak_suppressions fresh;
        refusal.clear();
        CHECK_FALSE(
            fresh.add_text(std::string("label a # b\n") + wrong + "\n", "leaks.txt", refusal));
        CHECK(has(refusal, "leaks.txt:2: "));
        CHECK(fresh.empty());
    }
    CHECK_FALSE(allowed.add_file("no/such/file", refusal));
    CHECK(has(refusal, "no/such/file cannot be read: No such file"));
    CHECK_FALSE(allowed.add_file("/", refusal));
    CHECK(has(refusal, "in / cannot be read: Is a directory"));
}

TEST_CASE("leak_guard: a descriptor opened before the first co_await is named with its coroutine") {
    const auto report = rf::run_and_report([]() -> rf::task<> {
        leak_guard nothing_left;
        auto kept = rf::io::tcp_listener::bind({"127.0.0.1", 0});
        const std::string left = nothing_left.findings();
        CHECK(left.find("(tcp listener) opened at ") != left.npos);
        CHECK(left.find("leak_guard_test.cpp:") != left.npos);
        co_return;
    });
    CHECK(report.status == 0);
}
