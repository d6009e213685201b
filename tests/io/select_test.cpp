// SPDX-License-Identifier: MIT
#include "tests/io/socket_test.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <chrono>
#include <variant>

using namespace socket_test;
using namespace std::chrono_literals;
using rf::io::tcp_listener;
using rf::io::tcp_stream;

TEST_CASE("select: a read that lost has taken no byte") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        auto silent = co_await rf::select(ends.second.read(), rf::sleep_for(1ms));
        CHECK(silent.index() == 1);
        co_await ends.first.write_all("late");
        auto spoken = co_await rf::select(ends.second.read(), rf::sleep_for(10s));
        REQUIRE(spoken.index() == 0);
        CHECK(std::get<0>(spoken).text() == "late");
    });
}

TEST_CASE("select: of two connections the one that has bytes is read") {
    run_ok([]() -> rf::task<> {
        auto left = co_await tcp_pair();
        auto right = co_await tcp_pair();
        for (int round = 0; round < 100; ++round) {
            auto& speaker = round % 2 == 0 ? left.first : right.first;
            co_await speaker.write_all("x");
            auto won = co_await rf::select(left.second.read(), rf::as_result(right.second.read()));
            CHECK(won.index() == static_cast<std::size_t>(round % 2));
        }
    });
}

TEST_CASE("select: an accept that lost leaves the connection to the next") {
    run_ok([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        auto none = co_await rf::select(listener.accept(), rf::sleep_for(1ms));
        CHECK(none.index() == 1);
        auto client = co_await tcp_stream::connect(listener.local());
        auto one = co_await rf::select(rf::sleep_for(10s), listener.accept());
        REQUIRE(one.index() == 1);
        co_await std::get<1>(one).write_all("hello");
        auto chunk = co_await client.read();
        CHECK(chunk.text() == "hello");
    });
}
