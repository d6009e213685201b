// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/cancel_monitor.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::cancel_monitor;
using rf::leakcheck::late_cancel;
using rf::test::has;
using rf::test::run_sim;

namespace {

constexpr std::uint_least32_t patient_line = __LINE__ + 1;
rf::task<> at_once() { co_await rf::sleep_for(1h); }

/// Cleans up for `span` after its cancel.
constexpr std::uint_least32_t slow_line = __LINE__ + 2;
rf::task<> slowly(std::chrono::nanoseconds span) {
    co_await rf::finally([] { return rf::sleep_for(1h); }, [&] { return rf::sleep_for(span); });
}

}  // namespace

TEST_CASE("cancel_monitor: tasks that unwind at once are counted by line and none is late") {
    run_sim([]() -> rf::task<> {
        cancel_monitor late;
        std::vector<late_cancel> heard;
        late.on_late([&](const late_cancel& what) { heard.push_back(what); });
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 10; ++i)
                all.spawn(at_once);
            co_await rf::sleep_for(1s);
            all.cancel("enough");
        });
        CHECK(heard.empty());
        CHECK(late.statistics().late == 0);
        bool seen = false;
        for (const auto& site : late.sites()) {
            if (site.line.line() != patient_line) continue;
            seen = true;
            CHECK(site.count == 10);
            CHECK(site.longest == 0ns);
        }
        CHECK(seen);
    });
}

TEST_CASE("cancel_monitor: a slow cleanup is told with its line, who cancelled it, and advice") {
    run_sim([]() -> rf::task<> {
        cancel_monitor late;
        std::vector<late_cancel> heard;
        rf::loop::here().record_flight(64);
        late.on_late([&](const late_cancel& what) {
            heard.push_back(what);
            const std::string events = rf::loop::here().recent_events();
            CHECK(has(events, "cancels"));
            CHECK(what.text.ends_with(events));
        });
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(slowly, 3s);
            all.spawn(slowly, 4s);  // not twice as long: its line has been told of
            co_await rf::sleep_for(1s);
            all.cancel("enough");
            co_await rf::sleep_for(1h);
        });
        REQUIRE(heard.size() == 1);
        CHECK(heard[0].took == 3s);
        CHECK(has(heard[0].text, "unwinds 3.0 s after its cancel"));
        CHECK(has(heard[0].text, "cancelled on request: enough"));
        CHECK(has(heard[0].text, "cancel_monitor_test.cpp:" + std::to_string(slow_line)));
        CHECK(has(heard[0].text, "advice: "));
        CHECK(late.statistics().late == 2);
        const auto sites = late.sites();
        REQUIRE(!sites.empty());
        CHECK(sites[0].line.line() == slow_line);
        CHECK(sites[0].late == 2);
        CHECK(sites[0].longest == 4s);
        CHECK(has(late.report(1), "cancel_monitor_test.cpp:" + std::to_string(slow_line)));
    });
}

TEST_CASE("cancel_monitor: who is cancelled and has not ended is in the report") {
    run_sim([]() -> rf::task<> {
        cancel_monitor late;
        late.on_late([](const late_cancel&) {});
        std::string report;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { (void)co_await scope.run([] { return slowly(4s); }); });
            co_await rf::sleep_for(1s);
            scope.cancel();
            co_await rf::sleep_for(2s);
            report = late.report();
        });
        CHECK(has(report, "suspect unwinds late"));
        CHECK(has(report, "cancel_monitor_test.cpp:" + std::to_string(slow_line)));
    });
}

TEST_CASE("cancel_monitor: a timeout that is noticed late is the fault of the line it waited at") {
    run_sim([]() -> rf::task<> {
        cancel_monitor late({.late = 1s, .sites_max = 1});
        std::vector<late_cancel> heard;
        late.on_late([&](const late_cancel& what) { heard.push_back(what); });
        const auto end = co_await rf::move_on_after(2s, [] { return slowly(4s); });
        CHECK(!end);
        REQUIRE(heard.size() == 1);
        CHECK(heard[0].took == 4s);
        CHECK(has(heard[0].text, "deadline passed"));
    });
}
