// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/flight_recorder.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::flight_event;
using rf::flight_recorder;

namespace {

rf::task<> naps() {
    co_await rf::sleep_for(1s);
    co_await rf::sleep_for(1h);
}

}  // namespace

TEST_CASE("flight_recorder: keeps the last events, oldest first") {
    flight_recorder flight(20);
    CHECK(flight.capacity() == 32);
    CHECK(flight.describe(5, 0) == "");
    const auto here = std::source_location::current();
    for (std::uint64_t i = 1; i <= 100; ++i)
        flight.note(flight_event::goes_on, i, here, static_cast<rf::instant>(i) * 1'000'000);
    CHECK(flight.noted() == 100);
    REQUIRE(flight.last(1000).size() == 32);
    CHECK(flight.last(1000).front().task == 69);
    CHECK(flight.last(3).front().task == 98);
    CHECK(flight.last(3).back().when == 100'000'000);
    const std::string text = flight.describe(2, 101'000'000);
    CHECK(text.starts_with("the last 2 of 100 events:\n"));
    CHECK(text.find("2.000 ms ago  task 99 goes on from tests/runtime/flight_recorder_test.cpp:") !=
          text.npos);
}

TEST_CASE("flight_recorder: a task's life is on record, with the lines that it waited at") {
    rf::test::sim_options options;
    options.run.flight_events = 256;
    rf::test::run_sim(options, []() -> rf::task<> {
        const auto here = std::source_location::current().line();
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(naps);  // two lines below `here`
            co_await rf::sleep_for(2s);
            all.cancel();
        });
        std::vector<flight_event> life;
        std::vector<std::uint_least32_t> lines;
        std::uint64_t cancels = 0;
        for (const rf::flight_entry& one : rf::loop::here().flight()->last(256)) {
            if (one.task == 2) {
                life.push_back(one.what);
                lines.push_back(one.where.line());
            }
            cancels += one.what == flight_event::cancels && one.task == 1 ? 1 : 0;
        }
        const std::vector<flight_event> expected{flight_event::starts,  flight_event::waits,
                                                 flight_event::goes_on, flight_event::waits,
                                                 flight_event::unwinds, flight_event::ends};
        CHECK(life == expected);
        CHECK(lines.front() == here + 2);
        CHECK(cancels == 1);
    });
}

TEST_CASE("flight_recorder: without one, nothing is recorded") {
    rf::test::run_sim([]() -> rf::task<> {
        CHECK(rf::loop::here().flight() == nullptr);
        CHECK(rf::loop::here().recent_events() == "");
        co_return;
    });
}
