// SPDX-License-Identifier: MIT
// The laws of scopes, errors, cancellation and explanation, over programs made from seeds.
#include "random_program.hpp"
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <tests/support/run_sim.hpp>

#if RF_EXCEPTIONS

using namespace std::chrono_literals;

namespace {

/// Runs a program to its end, or until `limit` has passed.
rf::task<> run_for(test::history& so_far, const test::node& program,
                   std::chrono::milliseconds limit) {
    try {
        (void)co_await rf::move_on_after(limit, [&] { return test::execute(so_far, program); });
    } catch (const test::failure& thrown) {
        so_far.handled.insert(thrown.id);
    }
}

void check_history(const test::history& so_far) {
    for (const std::string& problem : so_far.problems)
        FAIL_CHECK(problem);
    CHECK(so_far.book.live() == 0);
    CHECK(so_far.book.destroyed_twice == 0);
    for (const int id : so_far.thrown) {
        INFO("failure " << id);
        CHECK(so_far.handled.contains(id));
    }
}

std::size_t tasks_in(const std::string& tree) {
    std::size_t count = 0;
    for (std::size_t at = tree.find(" task "); at != tree.npos; at = tree.find(" task ", at + 1))
        // At the start of a line, not inside "the result of task 3".
        if (const auto line = tree.rfind('\n', at); tree.find_first_not_of(' ', line + 1) == at + 1)
            ++count;
    return count;
}

}  // namespace

TEST_CASE(
    "laws: whatever a program does, its scopes end with nothing in them and no error is lost") {
    rf::test::for_seeds(2000, [](std::uint64_t seed) {
        const test::node program = test::make_program(seed);
        test::history so_far;
        rf::test::run_sim({.seed = seed},
                          [&]() -> rf::task<> { return run_for(so_far, program, 1h); });
        check_history(so_far);
    });
}

TEST_CASE("laws: they hold whenever the program is cancelled") {
    rf::test::for_seeds(300, [](std::uint64_t seed) {
        const test::node program = test::make_program(seed);
        for (std::int64_t limit_ms = 0; limit_ms < 25; ++limit_ms) {
            INFO("cancelled after " << limit_ms << " ms");
            test::history so_far;
            rf::test::run_sim({.seed = seed}, [&]() -> rf::task<> {
                return run_for(so_far, program, std::chrono::milliseconds(limit_ms));
            });
            check_history(so_far);
        }
    });
}

TEST_CASE("laws: they hold when every task gives way after each hop") {
    rf::test::for_seeds(500, [](std::uint64_t seed) {
        const test::node program = test::make_program(seed);
        test::history so_far;
        rf::test::sim_options options{.seed = seed};
        options.run.limits = {.resumptions_max = 1, .hops_max = 1, .timers_max = 1};
        rf::test::run_sim(options, [&]() -> rf::task<> { return run_for(so_far, program, 10ms); });
        // Time passes between hops here, so that limits and first failures are not exact.
        CHECK(so_far.book.live() == 0);
        CHECK(so_far.book.destroyed_twice == 0);
    });
}

TEST_CASE("laws: at any moment the task tree shows each task that lives") {
    rf::test::for_seeds(200, [](std::uint64_t seed) {
        const test::node program = test::make_program(seed);
        test::history so_far;
        rf::test::run_sim({.seed = seed}, [&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn_service([]() -> rf::task<> {
                    for (;;) {
                        const rf::loop& here = rf::loop::here();
                        CHECK(tasks_in(rf::task_tree(here)) == here.account().tasks_live);
                        co_await rf::sleep_for(1ms);
                    }
                });
                co_await run_for(so_far, program, 100ms);
            });
        });
    });
}

#endif
