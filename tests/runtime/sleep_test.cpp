// SPDX-License-Identifier: MIT
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <tests/support/run_sim.hpp>
#include <utility>

using namespace std::chrono_literals;
using rf::test::run_sim;

namespace {

rf::task<> take(std::chrono::milliseconds span) { co_await rf::sleep_for(span); }

}  // namespace

TEST_CASE("sleep: a span counts from the co_await, not from the call") {
    run_sim([]() -> rf::task<> {
        auto stored = rf::sleep_for(100ms);
        co_await rf::sleep_for(70ms);
        const auto begin = rf::clock::now();
        co_await stored;
        CHECK(rf::clock::now() - begin == 100ms);
    });
}

TEST_CASE("sleep: one that is stored sleeps its span each time it is awaited") {
    run_sim([]() -> rf::task<> {
        auto stored = rf::sleep_for(10ms);
        const auto begin = rf::clock::now();
        co_await stored;
        co_await stored;
        CHECK(rf::clock::now() - begin == 20ms);
    });
}

TEST_CASE("sleep: until a point in time does not depend on when it is awaited") {
    run_sim([]() -> rf::task<> {
        const auto begin = rf::clock::now();
        auto stored = rf::sleep_until(begin + 100ms);
        co_await rf::sleep_for(70ms);
        co_await stored;
        CHECK(rf::clock::now() - begin == 100ms);
        co_await rf::sleep_until(begin);
        CHECK(rf::clock::now() - begin == 100ms);
    });
}

TEST_CASE("timeout: a limit counts from the co_await, not from the call") {
    run_sim([]() -> rf::task<> {
        auto late = rf::with_timeout(50ms, [] { return take(40ms); });
        auto moved_on = rf::move_on_after(50ms, [] { return take(90ms); });
        auto cleanup = rf::shield(50ms, [] { return take(40ms); });
        co_await rf::sleep_for(60ms);
        auto begin = rf::clock::now();
        co_await std::move(late);
        CHECK(rf::clock::now() - begin == 40ms);

        begin = rf::clock::now();
        const bool finished = co_await std::move(moved_on);
        CHECK_FALSE(finished);
        CHECK(rf::clock::now() - begin == 50ms);

        begin = rf::clock::now();
        co_await std::move(cleanup);
        CHECK(rf::clock::now() - begin == 40ms);
    });
}
