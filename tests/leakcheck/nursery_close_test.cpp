// SPDX-License-Identifier: MIT

// What is known of things that outlive the nursery they were opened in.

#include "tests/leakcheck/found_resources.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/profile.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/leakcheck/watcher.hpp>
#include <ringfence/runtime/detail/object_timer.hpp>
#include <ringfence/runtime/detail/openings.hpp>
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/ttl_cache.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::resource;
using rf::resource_kind;
using rf::io::unix_stream;
using rf::leakcheck::bubble;
using rf::leakcheck::leak_guard;
using rf::leakcheck::resource_table;
using rf::test::has;
using rf::test::of_kind;

namespace {

std::string line_after(std::source_location where = std::source_location::current()) {
    return "tests/leakcheck/nursery_close_test.cpp:" + std::to_string(where.line() + 1);
}

int stream_descriptor() { return rf::leakcheck::simulated_kernel::here().make_stream_pair().first; }

using slot = std::optional<unix_stream>;

rf::task<> open_into(slot& kept) {
    co_await rf::this_task::yield();
    kept = unix_stream::from_fd(stream_descriptor());
}

rf::task<> one_child(slot& kept) {
    const rf::nursery_options named{.name = "requests"};
    co_await rf::with_nursery(named, [&](rf::nursery& jobs) -> rf::task<> {
        jobs.spawn(open_into, std::ref(kept));
        co_return;
    });
}

}  // namespace

TEST_CASE("nursery close: a descriptor that a guard finds is told with the nursery it outlives") {
    const auto report = bubble(
        []() -> rf::task<> {
            slot kept;
            leak_guard nothing_left;
            co_await one_child(kept);
            co_await rf::sleep_for(2s);
            const std::string left = nothing_left.findings();
            CHECK(has(left, "    outlives the nursery \"requests\" opened at "
                            "tests/leakcheck/nursery_close_test.cpp:"));
            CHECK(has(left, ", closed 2.0 s ago\n    opened from\n      at ") !=
                  has(left,
                      ", closed 2.0 s ago\n"));  // it has one line, so there is no stack to tell
            const auto found = of_kind(resource_table(), resource_kind::descriptor);
            REQUIRE(found.size() == 1);
            REQUIRE(found[0].outlived.size() == 1);  // the root nursery is nobody's in particular
            CHECK(found[0].outlived[0].name == "requests");
            kept.reset();
        },
        {.leave_descriptors = true});
    CHECK(report.failure == "");
}

TEST_CASE("nursery close: while the nursery is open, its descriptors outlive nothing") {
    const auto report = bubble(
        []() -> rf::task<> {
            slot kept;
            leak_guard nothing_left;
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                co_await jobs.async(open_into, std::ref(kept));
                CHECK(!has(nothing_left.findings(), "outlives"));
                CHECK(has(nothing_left.findings(), "descriptor"));
            });
            CHECK(has(nothing_left.findings(), "outlives the nursery opened at"));
            kept.reset();
            CHECK(nothing_left.findings() == "");
        },
        {.leave_descriptors = true});
    CHECK(report.failure == "");
}

TEST_CASE("nursery close: nurseries around each other are told from the inside out") {
    const auto report = bubble(
        []() -> rf::task<> {
            slot kept;
            leak_guard nothing_left;
            const std::string outer = line_after();
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(one_child, std::ref(kept));
                co_await rf::sleep_for(3s);
                CHECK(!has(nothing_left.findings(), outer));
            });
            const std::string left = nothing_left.findings();
            CHECK(
                has(left, "closed 3.0 s ago\n    outlives the nursery opened at " + outer + "\n"));
            kept.reset();
        },
        {.leave_descriptors = true});
    CHECK(report.failure == "");
}

TEST_CASE("nursery close: buffers, requests and clocks of objects that outlive it say so") {
    const auto report = bubble([]() -> rf::task<> {
        const auto fds = rf::leakcheck::simulated_kernel::here().make_stream_pair();
        slot ours = unix_stream::from_fd(fds.first);
        auto theirs = unix_stream::from_fd(fds.second);
        std::optional<rf::io::chunk> kept;
        rf::sync::ttl_cache<int, int> cache({.ttl = 1h, .size_max = 8});
        co_await theirs.write_all("x");
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                kept = co_await ours->read();
                cache.put(1, 1);
            });
            co_return;
        });
        const resource_table after;
        for (const resource_kind kind :
             {resource_kind::ring_buffer, resource_kind::operation, resource_kind::timer}) {
            CAPTURE(to_string(kind));
            const auto found = of_kind(after, kind);
            REQUIRE(found.size() == 1);
            REQUIRE(found[0].outlived.size() == 1);
            CHECK(has(rf::leakcheck::stack_text(found[0], 4),
                      "    outlives the nursery opened at tests/"));
        }
        // They were opened by this task, in no nursery of its own.
        for (const resource& one : of_kind(after, resource_kind::descriptor))
            CHECK(one.outlived.empty());
        kept.reset();
        ours.reset();
    });
    CHECK(report.failure == "");
}

TEST_CASE("nursery close: tasks, and what they wait for, end with their nursery") {
    rf::test::run_real([]() -> rf::task<> {
        const leak_guard keeps_openings;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([]() -> rf::task<> { co_await rf::sleep_for(1h); });
            jobs.spawn([]() -> rf::task<> {
                (void)co_await rf::move_on_after(1h, [] { return rf::sleep_forever(); });
            });
            jobs.spawn([]() -> rf::task<> { co_await rf::offload([] {}); });
            co_await rf::this_task::yield();
            const resource_table during;
            CHECK(during.count(resource_kind::task) == 4);
            CHECK(during.count(resource_kind::timer) == 2);
            CHECK(during.count(resource_kind::offload_job) == 1);
            jobs.cancel();
        });
        const resource_table after;
        CHECK(after.count(resource_kind::task) == 1);
        CHECK(after.count(resource_kind::timer) == 0);
        CHECK(after.count(resource_kind::offload_job) == 0);
        CHECK(after.count(resource_kind::operation) == 0);
    });
}

TEST_CASE("nursery close: what a child hands out is no finding once its holder has closed it") {
    const auto report = bubble(
        []() -> rf::task<> {
            leak_guard nothing_left;
            const auto connect = []() -> rf::task<unix_stream> {
                co_await rf::this_task::yield();
                co_return unix_stream::from_fd(stream_descriptor());
            };
            {
                slot taken;
                co_await rf::with_nursery(
                    [&](rf::nursery& jobs) -> rf::task<> { taken = co_await jobs.async(connect); });
                CHECK(taken.has_value());
            }
            CHECK(nothing_left.findings() == "");
        },
        {.leave_descriptors = true});
    CHECK(report.failure == "");
}

TEST_CASE("nursery close: the end of a bubble tells which nursery a leak got away from") {
    rf::descriptor_entry left;
    const auto open = [&]() -> rf::task<> {
        co_await rf::this_task::yield();
        left.open(2'000'000, "planted");
    };
    const auto report = bubble([&]() -> rf::task<> {
        co_await rf::with_nursery({.name = "requests"}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(open);
            co_return;
        });
        co_await rf::sleep_for(1500ms);
    });
    CHECK(has(report.failure, "descriptor 2000000: planted opened at tests/leakcheck/nursery"));
    CHECK(has(report.failure, "\n    outlives the nursery \"requests\" opened at tests/"));
    CHECK(has(report.failure, ", closed 1.5 s ago\n"));
    CHECK(!has(report.failure, "root"));
}

TEST_CASE("nursery close: a watcher that keeps openings has them in the report of the run") {
    rf::descriptor_entry left;
    const auto open = [&]() -> rf::task<> {
        co_await rf::this_task::yield();
        left.open(2'000'000, "planted");
    };
    rf::leakcheck::watcher watch({.stalls = {.threshold = 0ms}, .opening_stacks = true});
    rf::test::sim_options options;
    options.run.observer = &watch;
    const rf::run_report report = rf::test::report_sim(std::move(options), [&]() -> rf::task<> {
        co_await rf::with_nursery({.name = "requests"}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(open);
            co_return;
        });
    });
    CHECK(has(report.leaks, "planted opened at tests/leakcheck/nursery_close_test.cpp:"));
    CHECK(has(report.leaks, "\n    outlives the nursery \"requests\" opened at tests/"));
}

TEST_CASE("nursery close: a nursery that is to leave nothing fails the run at its close") {
    const auto hands_out = []() -> rf::task<> {
        slot kept;
        co_await one_child(kept);
        kept.reset();
    };
    const auto keeps = []() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            slot kept;
            co_await jobs.async(open_into, std::ref(kept));
        });
    };
    rf::leakcheck::bubble_options strict;
    strict.leave_descriptors = true;
    CHECK(bubble(hands_out, strict).failure == "");
    strict.nurseries_leave_nothing = true;
    const auto report = bubble(hands_out, strict);
    CHECK(has(report.failure, "left open when a nursery closed:\ndescriptor "));
    CHECK(has(report.failure, "(unix stream) opened at tests/leakcheck/nursery_close_test.cpp:"));
    CHECK(has(report.failure, "outlives the nursery \"requests\""));
    CHECK(bubble(keeps, strict).failure == "");
}

TEST_CASE("nursery close: a leak that nested nurseries leave is told once") {
    const auto report = bubble(
        []() -> rf::task<> {
            slot kept;
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(one_child, std::ref(kept));
                co_return;
            });
            kept.reset();
        },
        {.leave_descriptors = true, .nurseries_leave_nothing = true});
    const std::size_t first = report.failure.find("descriptor ");
    REQUIRE(first != std::string::npos);
    CHECK(report.failure.find("descriptor ", first + 1) == std::string::npos);
}

TEST_CASE("nursery close: thousands of nurseries that close leave nothing in the books") {
    rf::test::run_real([]() -> rf::task<> {
        const leak_guard keeps_openings;
        for (int round = 0; round < 3'000; ++round)
            co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn([]() -> rf::task<> {
                    auto ends = unix_stream::pair();
                    co_return;
                });
                co_return;
            });
        CHECK(rf::loop::here().openings()->nurseries_open() == 0);
    });
}

TEST_CASE("verify_none: a nursery is told what its children left when they ended, and no other") {
    const auto report = bubble(
        []() -> rf::task<> {
            slot kept;
            slot deeper;
            slot beside;
            slot own;
            co_await rf::with_nursery([&](rf::nursery& others) -> rf::task<> {
                co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                    own = unix_stream::from_fd(stream_descriptor());  // the caller's
                    others.spawn(open_into, std::ref(beside));
                    co_await rf::sleep_for(1ms);
                    CHECK(rf::leakcheck::verify_none(jobs) == "");
                    jobs.spawn(open_into, std::ref(kept));
                    jobs.spawn(one_child, std::ref(deeper));
                    co_await rf::sleep_for(1ms);
                    const std::string left = rf::leakcheck::verify_none(jobs);
                    CAPTURE(left);
                    CHECK(has(left, "in (anonymous namespace)::open_into") !=
                          has(left, "in {anonymous}::open_into"));
                    CHECK(has(left, "outlives the nursery"));  // that of one_child
                    deeper.reset();
                    CHECK(has(rf::leakcheck::verify_none(jobs), "descriptor "));
                    kept.reset();
                    CHECK(rf::leakcheck::verify_none(jobs) == "");
                    CHECK(has(rf::leakcheck::verify_none(others), "descriptor "));  // beside
                    beside.reset();
                    CHECK(rf::leakcheck::verify_none(others) == "");
                });
            });
        },
        {.leave_descriptors = true});
    CHECK(report.failure == "");
}
