// SPDX-License-Identifier: MIT
#include "json_checker.hpp"
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/snapshot.hpp>
#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <fcntl.h>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>

using rf::leakcheck::snapshot_format;
using rf::leakcheck::snapshot_now;
using rf::leakcheck::task_snapshot;
using rf::test::has;
using rf::test::run_sim;

namespace {}  // namespace

TEST_CASE("snapshot: outlives its loop and can be read by any thread") {
    std::optional<task_snapshot> seen;
    run_sim([&]() -> rf::task<> {
        const std::string name = "gone with the loop";
        co_await rf::with_nursery({.name = name.c_str()}, [&](rf::nursery&) -> rf::task<> {
            seen = co_await rf::leakcheck::snapshot();
        });
    });
    std::thread([&] {
        CHECK(has(seen->text(), "nursery \"gone with the loop\""));
        CHECK(rf::test::json_checker(seen->json()).valid());
    }).join();
}

TEST_CASE("snapshot: is refused on a thread without a loop, with one sentence") {
    const task_snapshot seen = snapshot_now();
    CHECK(seen.tasks() == 0);
    CHECK(has(std::string(seen.refusal()), "this thread runs none: let a task of that loop"));
    CHECK(has(seen.text(), "ringfence: a snapshot is taken on the thread of its loop"));
    CHECK(rf::test::json_checker(seen.json()).valid());
    CHECK(has(seen.folded(), "a snapshot is taken on the thread of its loop"));
}

namespace {
std::optional<task_snapshot> taken_in_handler;
}

TEST_CASE("snapshot: is refused in a signal handler, with one sentence") {
    run_sim([]() -> rf::task<> {
        struct sigaction action = {};
        struct sigaction before = {};
        action.sa_handler = [](int) { taken_in_handler = snapshot_now(); };
        REQUIRE(sigaction(SIGUSR2, &action, &before) == 0);
        (void)raise(SIGUSR2);
        REQUIRE(sigaction(SIGUSR2, &before, nullptr) == 0);
        REQUIRE(taken_in_handler.has_value());
        CHECK(has(std::string(taken_in_handler->refusal()), "cannot be taken in a signal handler"));
        taken_in_handler.reset();
        CHECK(snapshot_now().refusal().empty());
        co_return;
    });
}

#if RF_EXCEPTIONS
TEST_CASE("snapshot: written to a full disk, it says so in one sentence") {
    run_sim([]() -> rf::task<> {
        const task_snapshot seen = snapshot_now();
        const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
        REQUIRE(full >= 0);
        std::string said;
        try {
            seen.write(snapshot_format::text, full);
        } catch (const rf::io_error& error) {
            said = error.what();
        }
        ::close(full);
        CHECK(has(said, "write a snapshot of tasks: No space left on device (ENOSPC): the report "
                        "is not complete: free some space, or write it elsewhere"));
        co_return;
    });
}
#endif
