// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/labels.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace std::chrono_literals;
using rf::with_label;
using rf::test::has;
using rf::test::run_sim;

namespace {

rf::task<> sleep_long() { co_await rf::sleep_for(1h); }

rf::task<> look_inside() {
    CHECK(rf::this_task::label("tenant") == "7");
    CHECK(rf::this_task::label("route") == "/pay");
    CHECK(rf::this_task::label("nobody") == "");
    co_await rf::this_task::yield();
    CHECK(rf::this_task::label("tenant") == "7");
}

}  // namespace

TEST_CASE("labels: one is in force inside with_label() and nowhere else") {
    CHECK(rf::this_task::label("tenant") == "");
    run_sim([]() -> rf::task<> {
        CHECK(rf::this_task::label("tenant") == "");
        {
            std::string gone = "7";  // is copied
            auto work =
                with_label("tenant", gone, [] { return with_label("route", "/pay", look_inside); });
            gone.clear();
            co_await std::move(work);
        }
        CHECK(rf::this_task::label("tenant") == "");
    });
}

TEST_CASE("labels: a key that is bound anew hides the outer value, which comes back") {
    run_sim([]() -> rf::task<> {
        const auto inner = []() -> rf::task<> {
            CHECK(rf::this_task::label("job") == "inner");
            CHECK(has(rf::task_tree(rf::loop::here()), "task 1 {job=inner, tenant=7}:"));
            co_return;
        };
        const auto outer = [&]() -> rf::task<> {
            co_await with_label("job", "inner", inner);
            CHECK(rf::this_task::label("job") == "outer");
        };
        co_await with_label("tenant", "7", [&] { return with_label("job", "outer", outer); });
    });
}

TEST_CASE("labels: children have those that were in force where their nursery was opened") {
    run_sim([]() -> rf::task<> {
        const auto work = []() -> rf::task<> {
            co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(sleep_long);
                const auto spawning = [&]() -> rf::task<> {
                    jobs.spawn(sleep_long);
                    co_return;
                };
                co_await with_label("later", "yes", spawning);
                co_await rf::this_task::yield();
                const std::string tree = rf::task_tree(rf::loop::here());
                CHECK(has(tree, "task 2 {tenant=7}: sleep"));
                CHECK(has(tree, "task 3 {tenant=7}: sleep"));
                jobs.cancel();
            });
        };
        co_await with_label("tenant", "7", work);
    });
}

TEST_CASE("labels: unwinding ends them") {
    run_sim([]() -> rf::task<> {
        const auto slow = [] { return with_label("tenant", "7", sleep_long); };
        const bool ended = co_await rf::move_on_after(1s, slow);
        CHECK_FALSE(ended);
        CHECK(rf::this_task::label("tenant") == "");
        CHECK_FALSE(has(rf::task_tree(rf::loop::here()), "{"));
    });
}
