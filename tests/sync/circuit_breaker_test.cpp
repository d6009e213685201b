// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/bulkhead.hpp>
#include <ringfence/sync/circuit_breaker.hpp>
#include <ringfence/sync/keyed_rate_limiter.hpp>
#include <ringfence/sync/rate_limiter.hpp>
#include <ringfence/sync/worker_pool.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::circuit_breaker;
using rf::sync::circuit_state;
using rf::test::run_sim;

namespace {

using answer = rf::result<int>;

rf::task<answer> say(bool good) {
    if (!good) co_return answer(rf::error("ask", EIO));
    co_return answer(7);
}

rf::task<answer> think(std::chrono::milliseconds span, bool good) {
    co_await rf::sleep_for(span);
    if (!good) co_return answer(rf::error("ask", EIO));
    co_return answer(7);
}

}  // namespace

TEST_CASE("circuit_breaker: failures in a row open it, and calls are refused until it probes") {
    run_sim([]() -> rf::task<> {
        circuit_breaker breaker({.failures_in_a_row = 3, .open_for = 10s});
        std::vector<std::string> changes;
        breaker.on_change([&](circuit_state from, circuit_state to) {
            changes.push_back(std::string(to_string(from)) + " -> " + to_string(to));
        });
        auto ask = breaker.guard(say);
        for (const bool good : {false, false, true, false, false}) {
            auto got = co_await ask(good);
            CHECK(got.has_value() == good);
        }
        CHECK(breaker.state() == circuit_state::closed);
        auto last = co_await ask(false);
        CHECK(last.error().code() == EIO);
        CHECK(breaker.state() == circuit_state::open);
        auto refused = co_await ask(true);
        CHECK(refused.error().code() == ECONNREFUSED);
        CHECK(breaker.statistics().refused == 1);
        CHECK(breaker.statistics().failed == 5);

        co_await rf::sleep_for(10s);
        CHECK(breaker.state() == circuit_state::half_open);
        auto still_bad = co_await ask(false);
        CHECK(still_bad.error().code() == EIO);
        CHECK(breaker.state() == circuit_state::open);
        co_await rf::sleep_for(10s);
        auto well = co_await ask(true);
        CHECK(*well == 7);
        CHECK(breaker.state() == circuit_state::closed);
        CHECK(changes == std::vector<std::string>{"closed -> open", "open -> half open",
                                                  "half open -> open", "open -> half open",
                                                  "half open -> closed"});
        CHECK(breaker.statistics().opened == 2);
    });
}

TEST_CASE("circuit_breaker: the rate of failures in the window opens it, old calls are forgotten") {
    run_sim([]() -> rf::task<> {
        circuit_breaker breaker(
            {.failures_in_a_row = 0, .failure_rate = 0.5, .window = 10s, .calls_min = 4});
        auto ask = breaker.guard(say);
        for (const bool good : {false, false, true}) {
            auto got = co_await ask(good);
            CHECK(got.has_value() == good);
        }
        CHECK(breaker.state() == circuit_state::closed);  // three calls are too few
        CHECK(breaker.statistics().window_failures == 2);
        co_await rf::sleep_for(10s);
        CHECK(breaker.statistics().window_calls == 0);
        for (const bool good : {true, true, true, false, false}) {
            auto got = co_await ask(good);
            CHECK(got.has_value() == good);
        }
        CHECK(breaker.state() == circuit_state::closed);  // two of five
        auto third = co_await ask(false);
        CHECK(!third);
        CHECK(breaker.state() == circuit_state::open);
    });
}

TEST_CASE("circuit_breaker: half open lets a few through, and closes when enough succeed") {
    run_sim([]() -> rf::task<> {
        circuit_breaker breaker(
            {.failures_in_a_row = 1, .open_for = 1s, .probes_max = 2, .probes_to_close = 3});
        auto ask = breaker.guard(think);
        auto bad = co_await ask(0ms, false);
        CHECK(!bad);
        co_await rf::sleep_for(1s);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            int refused = 0;
            for (int i = 0; i < 4; ++i) {
                all.spawn([&]() -> rf::task<> {
                    auto got = co_await ask(10ms, true);
                    if (!got) ++refused;
                });
            }
            co_await rf::sleep_for(1ms);
            CHECK(refused == 2);
            CHECK(breaker.statistics().probes == 2);
        });
        CHECK(breaker.state() == circuit_state::half_open);
        auto third = co_await ask(0ms, true);
        CHECK(third.has_value());
        CHECK(breaker.state() == circuit_state::closed);
    });
}

TEST_CASE(
    "circuit_breaker: a cancelled call counts as neither, and a cancelled probe frees its place") {
    run_sim([]() -> rf::task<> {
        circuit_breaker breaker({.failures_in_a_row = 1, .open_for = 1s});
        auto ask = breaker.guard(think);
        auto timed = co_await rf::move_on_after(5ms, [&] { return ask(1h, true); });
        CHECK(!timed);
        CHECK(breaker.state() == circuit_state::closed);
        CHECK(breaker.statistics().cancelled == 1);

        auto bad = co_await ask(0ms, false);
        CHECK(!bad);
        co_await rf::sleep_for(1s);
        auto probe = co_await rf::move_on_after(5ms, [&] { return ask(1h, true); });
        CHECK(!probe);
        CHECK(breaker.state() == circuit_state::half_open);
        CHECK(breaker.statistics().probes == 0);
        CHECK(breaker.statistics().running == 0);
        auto next = co_await ask(0ms, true);
        CHECK(next.has_value());
        CHECK(breaker.state() == circuit_state::closed);
    });
}

TEST_CASE("circuit_breaker: a call that began before the state changed no longer counts") {
    run_sim([]() -> rf::task<> {
        circuit_breaker breaker({.failures_in_a_row = 1, .open_for = 1s});
        auto ask = breaker.guard(think);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { (void)co_await ask(2s, true); });
            all.spawn([&]() -> rf::task<> { (void)co_await ask(1500ms, false); });
            co_await rf::sleep_for(1ms);
            auto bad = co_await ask(0ms, false);
            CHECK(!bad);
            co_await rf::sleep_for(1100ms);
            auto probe = breaker.try_admit();
            CHECK(static_cast<bool>(probe));
            co_await rf::sleep_for(2s);
            CHECK(breaker.state() == circuit_state::half_open);
            probe.succeeded();
            CHECK(breaker.state() == circuit_state::closed);
        });
        CHECK(breaker.statistics().opened == 1);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("circuit_breaker: exceptions that the predicate does not know as failures pass") {
    run_sim([]() -> rf::task<> {
        circuit_breaker breaker({.failures_in_a_row = 1,
                                 .open_for = 30s,
                                 .is_failure = [](const std::exception_ptr& error) {
                                     try {
                                         std::rethrow_exception(error);
                                     } catch (const std::invalid_argument&) {
                                         return false;
                                     } catch (...) {
                                         return true;
                                     }
                                 }});
        auto wrong = []() -> rf::task<int> {
            throw std::invalid_argument("a question without sense");
            co_return 0;
        };
        auto broken = []() -> rf::task<int> {
            throw std::runtime_error("down");
            co_return 0;
        };
        int caught = 0;
        try {
            (void)co_await breaker.guard(wrong)();
        } catch (const std::invalid_argument&) {
            ++caught;
        }
        CHECK(breaker.state() == circuit_state::closed);
        try {
            (void)co_await breaker.guard(broken)();
        } catch (const std::runtime_error& error) {
            CHECK(std::string(error.what()) == "down");
            ++caught;
        }
        CHECK(breaker.state() == circuit_state::open);
        const auto probe_at = rf::clock::now() + 30s;
        try {
            (void)co_await breaker.guard(wrong)();
        } catch (const rf::sync::circuit_open& refused) {
            CHECK(refused.probe_at() == probe_at);
            CHECK(refused.about().find("circuit_breaker_test.cpp") != std::string::npos);
            CHECK(refused.about().find("is open; it probes in 30000 ms") != std::string::npos);
            ++caught;
        }
        CHECK(caught == 3);
    });
}

TEST_CASE("circuit_breaker: what a limiter inside refuses is neither success nor failure") {
    run_sim([]() -> rf::task<> {
        circuit_breaker breaker({.failures_in_a_row = 2, .open_for = 30s});
        rf::sync::rate_limiter limiter({.tokens = 1, .per = 1h});
        rf::sync::bulkhead full({.concurrent = 1});
        circuit_breaker other({.failures_in_a_row = 1});
        other.admit().failed();
        auto place = full.try_enter();
        CHECK(limiter.try_acquire());
        auto call = []() -> rf::task<int> { co_return 1; };
        auto told = []() -> rf::task<rf::result<int>> { co_return 1; };
        auto broken = []() -> rf::task<int> {
            throw std::runtime_error("down");
            co_return 0;
        };
        const auto fails = [](auto fn) -> rf::task<bool> {
            try {
                (void)co_await fn();
            } catch (const std::exception&) {
                co_return true;
            }
            co_return false;
        };
        bool failed = co_await fails(breaker.guard(broken));
        CHECK(failed);
        co_await rf::with_timeout(1s, [&]() -> rf::task<> {
            bool limited = co_await fails(breaker.guard(limiter.guard(call)));
            CHECK(limited);
            auto late = co_await breaker.guard(limiter.guard(told))();
            CHECK(late.error().code() == ETIMEDOUT);
        });
        bool refused = co_await fails(breaker.guard(full.guard(call)));
        CHECK(refused);
        auto busy = co_await breaker.guard(full.guard(told))();
        CHECK(busy.error().code() == EBUSY);
        refused = co_await fails(breaker.guard(other.guard(call)));
        CHECK(refused);
        auto seen = breaker.statistics();
        CHECK(seen.ignored == 5);
        CHECK(seen.succeeded == 0);
        CHECK(seen.failed == 1);
        CHECK(seen.window_calls == 1);
        CHECK(seen.failures_in_a_row == 1);  // not begun anew, as by a success
        CHECK(seen.running == 0);
        failed = co_await fails(breaker.guard(broken));
        CHECK(failed);
        CHECK(breaker.state() == circuit_state::open);
        co_await rf::sleep_for(30s);
        // A probe that says nothing makes room for another.
        refused = co_await fails(breaker.guard(full.guard(call)));
        CHECK(refused);
        CHECK(breaker.state() == circuit_state::half_open);
        CHECK(breaker.statistics().probes == 0);
        int one = co_await breaker.guard(call)();
        CHECK(one == 1);
        CHECK(breaker.state() == circuit_state::closed);
    });
}

TEST_CASE("circuit_breaker: is_ignored is asked first, and can be one's own or none") {
    run_sim([]() -> rf::task<> {
        const auto all = [](const std::exception_ptr&) { return true; };
        circuit_breaker deaf({.failures_in_a_row = 1, .is_ignored = all, .is_failure = all});
        circuit_breaker strict({.failures_in_a_row = 1, .is_ignored = nullptr});
        rf::sync::bulkhead full({.concurrent = 1});
        auto place = full.try_enter();
        auto call = []() -> rf::task<int> { co_return 1; };
        auto ask = [&](circuit_breaker& breaker) -> rf::task<> {
            try {
                (void)co_await breaker.guard(full.guard(call))();
            } catch (const rf::sync::bulkhead_full&) {
            }
        };
        co_await ask(deaf);
        co_await ask(strict);
        CHECK(deaf.state() == circuit_state::closed);
        CHECK(deaf.statistics().ignored == 1);
        CHECK(strict.state() == circuit_state::open);
    });
}

TEST_CASE("circuit_breaker: never_asked knows what the kit refuses, and a cancelled child") {
    using rf::sync::never_asked;
    const auto asked = [](const auto& error) {
        return !never_asked(std::make_exception_ptr(error));
    };
    CHECK_FALSE(asked(rf::sync::rate_limited(rf::error("rate limit", ETIMEDOUT), "", {})));
    CHECK_FALSE(asked(rf::sync::key_limit_reached("x")));
    CHECK_FALSE(asked(rf::sync::bulkhead_full("x")));
    CHECK_FALSE(asked(rf::sync::pool_draining("x")));
    CHECK_FALSE(asked(rf::sync::circuit_open("x", {})));
    CHECK_FALSE(asked(rf::cancelled_error("x", rf::cancel_cause::requested)));
    CHECK(asked(rf::io_error(rf::error("receive", ETIMEDOUT))));
    CHECK(asked(std::runtime_error("down")));
    CHECK(asked(7));
}

TEST_CASE("circuit_breaker: options that make no sense are refused") {
    const auto refuses = [](rf::sync::circuit_options options, const char* why) {
        CHECK_THROWS_WITH_AS(circuit_breaker{options}, doctest::Contains(why),
                             std::invalid_argument);
    };
    refuses({.failures_in_a_row = -1}, "from 1 up");
    refuses({.failure_rate = 1.5}, "from 0 to 1");
    refuses({.failure_rate = std::numeric_limits<double>::quiet_NaN()}, "from 0 to 1");
    refuses({.failures_in_a_row = 0, .failure_rate = 0}, "never open");
    refuses({.window = 0s}, "window");
    refuses({.calls_min = 0}, "calls_min");
    refuses({.open_for = 0s}, "open_for");
    refuses({.probes_max = 0}, "never close");
    refuses({.probes_to_close = -1}, "probes_to_close");
}
#endif
