// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/runtime/flight_recorder.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cerrno>
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

TEST_CASE("flight_recorder: requests are on record with their answers, and who called one back") {
    rf::test::sim_options options;
    options.run.flight_events = 256;
    rf::test::run_sim(options, [](rf::leakcheck::simulated_kernel& world) -> rf::task<> {
        const auto fds = world.make_stream_pair();
        auto ours = rf::io::unix_stream::from_fd(fds.first);
        {
            auto theirs = rf::io::unix_stream::from_fd(fds.second);
            co_await ours.write_all("abc");
            auto chunk = co_await theirs.read();
            CHECK(chunk.size() == 3);
        }
        co_await rf::sleep_for(1ms);  // the receive of the one that is closed is called back
        const rf::flight_recorder& flight = *rf::loop::here().flight();
        const void* sent = nullptr;
        std::size_t answers = 0;
        std::size_t called_back = 0;
        for (const rf::flight_entry& one : flight.last(256)) {
            if (one.what == flight_event::submits && one.opcode == IORING_OP_SEND) {
                sent = one.operation;
                CHECK(one.task == 1);
                CHECK(one.number == fds.first);
            }
            if (one.what == flight_event::completes && one.operation == sent) {
                CHECK(one.number == 3);
                ++answers;
            }
            called_back += one.what == flight_event::calls_back ? 1 : 0;
        }
        CHECK(answers == 1);
        CHECK(called_back == 1);
        const std::string text = flight.describe(256, rf::loop::here().now());
        CHECK(text.find("  task 1 asks for send on descriptor ") != text.npos);
        CHECK(text.find("  the kernel: send on descriptor ") != text.npos);
        CHECK(text.find(" completes with 3\n") != text.npos);
        CHECK(text.find(" calls back ") != text.npos);
    });
}

TEST_CASE("flight_recorder: an answer whose request is forgotten, and an error, have words") {
    flight_recorder flight(16);
    flight.note_operation(flight_event::completes, &flight, -ECONNRESET, 0, {}, 0);
    CHECK(flight.describe(1, 0) ==
          "the last 1 of 1 events:\n"
          "       0.000 ms ago  the kernel: a request from before completes with ECONNRESET\n");
    io_uring_sqe sqe{};
    flight.note_submission(&flight, sqe, 0, {}, 0);
    sqe.opcode = IORING_OP_RECV;  // is filled in later
    sqe.fd = 5;
    flight.note_operation(flight_event::completes_on, &flight, 12, 0, {}, 0);
    CHECK(flight.describe(2, 0) ==
          "the last 2 of 3 events:\n"
          "       0.000 ms ago  no task, the loop itself, asks for recv on descriptor 5\n"
          "       0.000 ms ago  the kernel: recv on descriptor 5 completes in part with 12\n");
}

TEST_CASE("flight_recorder: without one, nothing is recorded") {
    rf::test::run_sim([]() -> rf::task<> {
        CHECK(rf::loop::here().flight() == nullptr);
        CHECK(rf::loop::here().recent_events() == "");
        co_return;
    });
}
