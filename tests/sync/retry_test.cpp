// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/circuit_breaker.hpp>
#include <ringfence/sync/rate_limiter.hpp>
#include <ringfence/sync/retry.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::retry;
using rf::sync::retry_policy;
using rf::test::run_sim;
using rf::test::stopwatch;

using answer = rf::result<int>;

TEST_CASE("retry: calls again until it succeeds, after growing delays within their bounds") {
    run_sim([]() -> rf::task<> {
        std::vector<std::chrono::nanoseconds> times;
        stopwatch watch;
        auto flaky = [&]() -> rf::task<answer> {
            times.push_back(watch.elapsed());
            if (times.size() < 6) co_return answer(rf::error("ask", EIO));
            co_return answer(7);
        };
        rf::sync::retry_statistics counts;
        const retry_policy policy{.attempts = 10, .base = 10ms, .cap = 50ms, .statistics = &counts};
        auto got = co_await retry(policy, flaky);
        CHECK(*got == 7);
        CHECK(times.size() == 6);
        auto longest = 10ms * 3;
        for (std::size_t i = 1; i < times.size(); ++i) {
            const auto delay = times[i] - times[i - 1];
            CHECK(delay >= 10ms);
            CHECK(delay <= std::min<std::chrono::nanoseconds>(longest, 50ms));
            longest *= 3;
        }
        CHECK(counts.calls == 1);
        CHECK(counts.attempts == 6);
        CHECK(counts.succeeded == 1);
    });
}

TEST_CASE("retry: the last failure is the outcome when the attempts are spent") {
    run_sim([]() -> rf::task<> {
        int calls = 0;
        auto bad = [&]() -> rf::task<answer> { co_return answer(rf::error("ask", ++calls)); };
        rf::sync::retry_statistics counts;
        auto got = co_await retry({.attempts = 3, .statistics = &counts}, bad);
        CHECK(got.error().code() == 3);
        CHECK(counts.gave_up == 1);
    });
}

TEST_CASE("retry: an attempt that would begin after the deadline is not waited for") {
    run_sim([]() -> rf::task<> {
        int calls = 0;
        auto bad = [&]() -> rf::task<answer> {
            ++calls;
            co_return answer(rf::error("ask", EIO));
        };
        stopwatch watch;
        rf::sync::retry_statistics counts;
        const retry_policy policy{.attempts = 9, .base = 1s, .cap = 1s, .statistics = &counts};
        auto got = co_await rf::with_timeout(2500ms, retry(policy, bad));
        CHECK(got.error().code() == EIO);
        CHECK(calls == 3);
        CHECK(watch.elapsed() == 2s);
        CHECK(counts.out_of_time == 1);
    });
}

TEST_CASE("retry: calls that share a budget stop retrying when it is spent") {
    run_sim([]() -> rf::task<> {
        rf::sync::retry_budget budget({.per_call = 0.5, .reserve = 3});
        int calls = 0;
        auto bad = [&]() -> rf::task<answer> {
            ++calls;
            co_return answer(rf::error("ask", EIO));
        };
        const retry_policy policy{.attempts = 3, .budget = &budget};
        for (int i = 0; i < 10; ++i) {
            auto got = co_await retry(policy, bad);
            CHECK(!got);
        }
        CHECK(calls == 10 + 3 + 4);  // each call but the first, with a full budget, earns a half
        CHECK(budget.statistics().calls == 10);
        CHECK(budget.statistics().out_of_budget > 0);
        CHECK(budget.available() < 1);
    });
}

TEST_CASE("retry: a cancellation ends it, in an attempt as in a delay") {
    run_sim([]() -> rf::task<> {
        int calls = 0;
        auto slow = [&]() -> rf::task<answer> {
            ++calls;
            co_await rf::sleep_for(1h);
            co_return answer(1);
        };
        auto bad = [&]() -> rf::task<answer> {
            ++calls;
            co_return answer(rf::error("ask", EIO));
        };
        const retry_policy policy{.attempts = 5, .base = 1h, .cap = 1h};
        for (int which = 0; which < 2; ++which) {
            rf::cancel_scope scope;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn([&]() -> rf::task<> {
                    if (which == 0)
                        (void)co_await scope.run(retry(policy, slow));
                    else
                        (void)co_await scope.run(retry(policy, bad));
                });
                co_await rf::sleep_for(1s);
                scope.cancel();
            });
        }
        CHECK(calls == 2);
        CHECK(rf::loop::here().account().timers == 0);
    });
}

TEST_CASE("retry: a limiter, a breaker and a timeout compose, and are cancelled as one thing") {
    using namespace rf::sync;
    run_sim([]() -> rf::task<> {
        rate_limiter limiter({.tokens = 1, .per = 10s, .burst = 1});
        circuit_breaker breaker({.failures_in_a_row = 2, .open_for = 1min});
        const retry_policy policy{.attempts = 4, .base = 1s, .cap = 1s};
        std::chrono::nanoseconds takes = 0s;
        bool good = true;
        auto call = [&]() -> rf::task<answer> {
            co_await rf::sleep_for(takes);
            if (!good) co_return answer(rf::error("ask", EIO));
            co_return answer(7);
        };
        auto patient = [&](std::chrono::nanoseconds limit) -> rf::task<std::optional<answer>> {
            co_return co_await rf::move_on_after(limit,
                                                 retry(policy, breaker.guard(limiter.guard(call))));
        };
        const auto clean = [&] {
            CHECK(rf::loop::here().account().timers == 0);
            CHECK(limiter.statistics().waiting == 0);
            CHECK(breaker.statistics().running == 0);
        };
        auto all_well =
            co_await rf::with_timeout(2s, retry(policy, breaker.guard(limiter.guard(call))));
        CHECK(*all_well == 7);
        clean();

        // In the limiter, and cancelled from outside so that it has no deadline to look at.
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                (void)co_await scope.run(retry(policy, breaker.guard(limiter.guard(call))));
            });
            co_await rf::sleep_for(1s);
            CHECK(limiter.statistics().waiting == 1);
            scope.cancel();
        });
        clean();
        CHECK(breaker.statistics().cancelled == 1);

        // In the call itself.
        co_await rf::sleep_for(10s);
        takes = 1h;
        auto slow = co_await patient(2s);
        CHECK(!slow);
        clean();
        CHECK(breaker.statistics().cancelled == 2);

        // In the delay: the first failure leaves the breaker closed.
        co_await rf::sleep_for(10s);
        takes = 0s;
        good = false;
        rf::cancel_scope late;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                (void)co_await late.run(retry(policy, breaker.guard(limiter.guard(call))));
            });
            co_await rf::sleep_for(500ms);
            late.cancel();
        });
        clean();
        CHECK(breaker.statistics().failed == 1);

        // And the open breaker refuses without the limiter being asked.
        co_await rf::sleep_for(10s);
        const auto granted = limiter.statistics().granted;
        auto refused = co_await retry(policy, breaker.guard(limiter.guard(call)));
        CHECK(refused.error().code() == ECONNREFUSED);
        CHECK(limiter.statistics().granted == granted + 1);
        clean();
    });
}

#if RF_EXCEPTIONS
TEST_CASE("retry: the predicate and cancelled_error decide what is not tried again") {
    run_sim([]() -> rf::task<> {
        int calls = 0;
        auto wrong = [&]() -> rf::task<int> {
            ++calls;
            throw std::invalid_argument("no sense");
            co_return 0;
        };
        auto gone = [&]() -> rf::task<int> {
            ++calls;
            throw rf::cancelled_error("gone", rf::cancel_cause::requested);
            co_return 0;
        };
        auto flaky = [&]() -> rf::task<int> {
            if (++calls < 3) throw std::runtime_error("down");
            co_return calls;
        };
        const retry_policy policy{.attempts = 5, .retry_if = [](const std::exception_ptr& error) {
                                      try {
                                          std::rethrow_exception(error);
                                      } catch (const std::invalid_argument&) {
                                          return false;
                                      } catch (...) {
                                          return true;
                                      }
                                  }};
        int caught = 0;
        try {
            (void)co_await retry(policy, wrong);
        } catch (const std::invalid_argument&) {
            ++caught;
        }
        CHECK(calls == 1);
        try {
            (void)co_await retry(policy, gone);
        } catch (const rf::cancelled_error&) {
            ++caught;
        }
        CHECK(calls == 2);
        CHECK(caught == 2);
        calls = 0;
        const int three = co_await retry(policy, flaky);
        CHECK(three == 3);
    });
}

TEST_CASE("retry: numbers that make no sense are refused") {
    run_sim([]() -> rf::task<> {
        auto fine = []() -> rf::task<int> { co_return 1; };
        int refused = 0;
        for (const retry_policy& policy :
             {retry_policy{.attempts = 0}, retry_policy{.base = -1s}, retry_policy{.cap = 1ms}}) {
            try {
                (void)co_await retry(policy, fine);
            } catch (const std::invalid_argument&) {
                ++refused;
            }
        }
        CHECK(refused == 3);
    });
    CHECK_THROWS_AS(rf::sync::retry_budget({.per_call = -1}), std::invalid_argument);
    CHECK_THROWS_AS(rf::sync::retry_budget({.reserve = 0}), std::invalid_argument);
}
#endif
