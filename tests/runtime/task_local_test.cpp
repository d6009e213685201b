// SPDX-License-Identifier: MIT
#include "cancel_each_turn.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_local.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/when_all.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

const rf::task_local<std::string> tenant;
const rf::task_local<int> depth;

rf::task<std::string> read_later() {
    co_await rf::this_task::yield();
    co_return tenant.get_or("none");
}
rf::task<> note(strings& seen) {
    seen.push_back(tenant.get_or("none"));
    co_return;
}

}  // namespace

TEST_CASE("task_local: a value is in force inside with() and nowhere else") {
    CHECK(tenant.find() == nullptr);
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        CHECK(tenant.find() == nullptr);
        const std::string inside = co_await tenant.with("a", read_later());
        CHECK(inside == "a");
        CHECK(tenant.get_or("none") == "none");
    });
    CHECK(report.status == 0);
}

TEST_CASE("task_local: the innermost binding of each local is seen") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        co_await tenant.with("outer", []() -> rf::task<> {
            co_await depth.with(1, []() -> rf::task<> {
                co_await tenant.with("inner", []() -> rf::task<> {
                    CHECK(tenant.get() == "inner");
                    CHECK(depth.get() == 1);
                    co_return;
                });
                CHECK(tenant.get() == "outer");
            });
            CHECK(depth.get_or(0) == 0);
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("task_local: children see what was in force where their nursery was opened") {
    strings seen;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        co_await tenant.with("opened", [&] {
            return rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(note, std::ref(seen));
                co_await tenant.with("spawned", [&]() -> rf::task<> {
                    jobs.spawn(note, std::ref(seen));
                    co_return;
                });
            });
        });
    });
    CHECK(seen == strings{"opened", "opened"});
    CHECK(report.status == 0);
}

TEST_CASE("task_local: what a child binds, its siblings and its parent do not see") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        auto bind = []() -> rf::task<std::string> {
            co_return co_await tenant.with("mine", read_later());
        };
        auto all = co_await rf::when_all(bind, [] { return read_later(); });
        CHECK(std::get<0>(all) == "mine");
        CHECK(std::get<1>(all) == "none");
        CHECK(tenant.find() == nullptr);
    });
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS
TEST_CASE("task_local: the value before is in force again after an exception") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        co_await tenant.with("outer", []() -> rf::task<> {
            auto fail = []() -> rf::task<> {
                co_await rf::this_task::yield();
                throw std::runtime_error("x");
            };
            try {
                co_await tenant.with("inner", fail);
                CHECK(false);
            } catch (const std::runtime_error&) {
                CHECK(tenant.get() == "outer");
            }
        });
    });
    CHECK(report.status == 0);
}
#endif

TEST_CASE("task_local: unwinding puts the value before back, and destructors still see theirs") {
    strings seen;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        co_await tenant.with("outer", [&]() -> rf::task<> {
            auto work = [&]() -> rf::task<> {
                rf::scope_exit guard([&] { seen.push_back(tenant.get()); });
                co_await tenant.with("inner", [&]() -> rf::task<> {
                    rf::scope_exit inner([&] { seen.push_back(tenant.get()); });
                    co_await rf::sleep_forever();
                });
            };
            (void)co_await rf::move_on_after(1ms, work);
            seen.push_back(tenant.get());
        });
    });
    CHECK(seen == strings{"inner", "outer", "outer"});
    CHECK(report.status == 0);
}

TEST_CASE("task_local: a cancel at any turn leaves no binding behind") {
    const int runs = test::cancel_each_turn(
        []() -> rf::task<> {
            co_await tenant.with("a", []() -> rf::task<> {
                co_await test::yields(2);
                co_await tenant.with("b", test::yields(2));
                co_await test::yields(2);
            });
        },
        [](bool) { CHECK(tenant.find() == nullptr); });
    CHECK(runs > 3);
}
