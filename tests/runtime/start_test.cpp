// SPDX-License-Identifier: MIT
#include "object_tracker.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <tests/runtime/sim_report.hpp>
#include <vector>

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

namespace {

rf::task<> serve(rf::started<int> ready, strings& seen) {
    co_await rf::sleep_for(5ms);
    seen.push_back("ready");
    ready(7000);
    ready(7001);
    co_await rf::sleep_for(5ms);
    seen.push_back("served");
}

}  // namespace

TEST_CASE("start: waits until the child says so, gives what it said, and lets it go on") {
    strings seen;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            const int port = co_await jobs.start<int>(serve, std::ref(seen));
            CHECK(port == 7000);
            CHECK(jobs.size() == 1);
            seen.push_back("goes on");
        });
        seen.push_back("after");
    });
    CHECK(report.status == 0);
    CHECK(seen == strings{"ready", "goes on", "served", "after"});
}

TEST_CASE("start: without a value") {
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            bool ready = false;
            co_await jobs.start([&ready](rf::started<> started) -> rf::task<> {
                ready = true;
                started();
                co_return;
            });
            CHECK(ready);
        });
    });
    CHECK(report.status == 0);
}

TEST_CASE("start: cancelled while waiting, it takes the child with it") {
    test::object_ledger objects;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            const auto port = co_await rf::move_on_after(5ms, [&]() -> rf::task<int> {
                co_return co_await jobs.start<int>([&](rf::started<int>) -> rf::task<> {
                    test::tracked local(objects, "child");
                    co_await rf::sleep_forever();
                });
            });
            CHECK_FALSE(port.has_value());
            CHECK(objects.live.empty());
            CHECK(jobs.size() == 0);
        });
    });
    CHECK(report.status == 0);
    CHECK(objects.order.size() == 1);
}

TEST_CASE("start: in a cancelled scope nothing is started") {
    bool called = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            rf::cancel_scope scope;
            scope.cancel();
            (void)co_await scope.run([&]() -> rf::task<> {
                co_await jobs.start([&called](rf::started<>) -> rf::task<> {
                    called = true;
                    co_return;
                });
            });
            CHECK(jobs.statistics().started == 0);
        });
    });
    CHECK(report.status == 0);
    CHECK_FALSE(called);
}

TEST_CASE("start: a function that cancels the waiting scope starts nothing") {
    test::object_ledger objects;
    bool went_on = false;
    const auto child = [](rf::started<>, test::tracked) -> rf::task<> { co_return; };
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            rf::cancel_scope scope;
            const bool finished = co_await scope.run([&]() -> rf::task<> {
                const auto cancels = [&](rf::started<> started) {
                    scope.cancel();
                    return child(std::move(started), test::tracked(objects));
                };
                co_await jobs.start(cancels);
                went_on = true;
            });
            CHECK_FALSE(finished);
            CHECK(jobs.statistics().started == 0);
        });
    });
    CHECK(report.status == 0);
    CHECK_FALSE(went_on);
    CHECK(objects.clean());
}

#if RF_EXCEPTIONS

TEST_CASE("start: a failure before the word is thrown here and is none of the nursery's") {
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            try {
                (void)co_await jobs.start<int>([](rf::started<int>) -> rf::task<> {
                    co_await rf::sleep_for(1ms);
                    throw std::runtime_error("port in use");
                });
            } catch (const std::runtime_error& thrown) {
                text = thrown.what();
            }
            CHECK_FALSE(jobs.cancelled());
            CHECK(jobs.failures().empty());
        });
    });
    CHECK(report.status == 0);
    CHECK(text == "port in use");
}

TEST_CASE("start: a failure after the word is an ordinary child's") {
    std::string text;
    bool started = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        try {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                co_await jobs.start([](rf::started<> ready) -> rf::task<> {
                    ready();
                    co_await rf::sleep_for(1ms);
                    throw std::runtime_error("later");
                });
                started = true;
            });
        } catch (const std::runtime_error& thrown) {
            text = thrown.what();
        }
    });
    CHECK(report.status == 0);
    CHECK(started);
    CHECK(text == "later");
}

TEST_CASE("start: a child that ends without a word is a start_error that says what to do") {
    std::string text;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            try {
                co_await jobs.start([](rf::started<>) -> rf::task<> { co_return; });
            } catch (const rf::start_error& thrown) {
                text = thrown.what();
            }
        });
    });
    CHECK(report.status == 0);
    CHECK(text.find("ended before it said that it had started; call started()") != text.npos);
}

TEST_CASE("start: a function that throws in place of making a task leaves nothing behind") {
    bool caught = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            try {
                co_await jobs.start([](rf::started<>) -> rf::task<> { throw std::bad_alloc(); });
            } catch (const std::bad_alloc&) {
                caught = true;
            }
            CHECK(jobs.statistics().started == 0);
            co_await rf::sleep_for(1ms);
        });
    });
    CHECK(report.status == 0);
    CHECK(caught);
}

#endif
