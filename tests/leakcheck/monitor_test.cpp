// SPDX-License-Identifier: MIT
#if defined(RF_WITH_PROFILE)
#include "decoded_profile.hpp"
#endif
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/monitor.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/supervisor.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numbers>
#include <random>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::growth_warning;
using rf::leakcheck::monitor;
using rf::leakcheck::site_kind;
using rf::test::run_sim;

namespace {

using seconds = std::chrono::duration<double>;

/// One answer somebody waits for and never gets. Its wait is the line to blame.
constexpr std::uint_least32_t lost_wait_line = __LINE__ + 1;
rf::task<> wait_for_answer(rf::sync::channel<int>& answers) { (void)co_await answers.receive(); }

[[maybe_unused]] constexpr std::uint_least32_t other_wait_line = __LINE__ + 2;
[[maybe_unused]] rf::task<> wait_for_other(rf::sync::channel<int>& others) {
    (void)co_await others.receive();
}

rf::task<> request(std::chrono::nanoseconds takes) { co_await rf::sleep_for(takes); }

/// Arrivals at random, `per_second(now)` of them, for `span`.
template <class Rate, class Start>
rf::task<> arrive(std::uint64_t seed, std::chrono::nanoseconds span, Rate per_second, Start start) {
    std::mt19937_64 random(seed);
    const auto begin = rf::clock::now();
    auto next = begin;
    for (;;) {
        std::exponential_distribution<double> gap(per_second(seconds(next - begin)));
        next += std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(gap(random)));
        if (next - begin >= span) break;
        co_await rf::sleep_until(next);
        start(random);
    }
}

/// Between 1 and 10, once a day.
double swing(seconds at) {
    return 5.5 + 4.5 * std::sin(2 * std::numbers::pi * at.count() / 86'400);
}

}  // namespace

TEST_CASE("monitor: one lost task a second among 1,000 requests is named within a minute") {
    rf::test::for_seeds(3, [](std::uint64_t seed) {
        run_sim([seed]() -> rf::task<> {
            rf::sync::channel<int> answers(0);
            monitor watch;
            std::vector<growth_warning> heard;
            rf::clock::time_point first{};
            watch.on_growth([&](const growth_warning& what) {
                if (heard.empty()) first = rf::clock::now();
                heard.push_back(what);
            });
            std::uint_least32_t leak_line = 0;
            int served = 0;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn_service([&] { return watch.run(); });
                co_await arrive(
                    seed, 30s, [](seconds) { return 1000.0; },
                    [&](std::mt19937_64& random) { all.spawn(request, random() % 100 * 1ms); });
                CHECK(heard.empty());
                const auto leak_begins = rf::clock::now();
                co_await arrive(
                    seed, 60s, [](seconds) { return 1000.0; },
                    [&](std::mt19937_64& random) {
                        all.spawn(request, random() % 100 * 1ms);
                        leak_line = __LINE__ + 1;
                        if (served++ % 1000 == 0) all.spawn(wait_for_answer, std::ref(answers));
                    });
                REQUIRE(!heard.empty());
                CHECK(first - leak_begins <= 60s);
                CHECK(first - leak_begins >= 20s);
                all.cancel();
            });
            const auto& sites = heard.front().sites;
            REQUIRE(sites.size() == 2);
            CHECK(sites[0].kind == site_kind::spawn);
            CHECK(std::string(sites[0].line.file_name()).ends_with("monitor_test.cpp"));
            CHECK(sites[0].line.line() == leak_line);
            CHECK(sites[0].baseline <= 1);
            CHECK(sites[0].now >= 25);
            CHECK(sites[0].per_second == doctest::Approx(1).epsilon(0.2));
            CHECK(sites[1].kind == site_kind::wait);
            CHECK(sites[1].line.line() == lost_wait_line);
            const std::string table = heard.front().table();
            CHECK(table.find("spawned at tests/leakcheck/monitor_test.cpp:" +
                             std::to_string(leak_line)) != table.npos);
        });
    });
}

// Requests by the second, connections by the hour; ten times as many at noon as at midnight.
// At full length it takes a minute: RF_TEST_ALL.
TEST_CASE("monitor: a warning has the last events of a loop that records them") {
    const auto warned_events = [](std::size_t kept) {
        std::string events;
        run_sim([&]() -> rf::task<> {
            if (kept != 0) rf::loop::here().record_flight(kept);
            rf::sync::channel<int> answers(0);
            monitor watch;
            bool warned = false;
            watch.on_growth([&](const growth_warning& what) {
                events = what.events;
                warned = true;
            });
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn_service([&] { return watch.run(); });
                for (int i = 0; i < 120 && !warned; ++i) {
                    all.spawn(wait_for_answer, std::ref(answers));
                    co_await rf::sleep_for(1s);
                }
                all.cancel();
            });
            CHECK(warned);
        });
        return events;
    };
    CHECK(warned_events(0).empty());
    CHECK(rf::test::has(warned_events(64), "monitor_test.cpp"));
}

TEST_CASE("monitor: a day with a tenfold swing raises no alarm") {
    const double requests = std::getenv("RF_TEST_ALL") != nullptr ? 20.0 : 1.0;
    run_sim([requests]() -> rf::task<> {
        monitor watch;
        std::string heard;
        watch.on_growth([&](const growth_warning& what) { heard += what.table(); });
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto lasts = [](double mean_s, std::mt19937_64& random) {
                return std::chrono::duration_cast<std::chrono::nanoseconds>(
                    seconds(std::exponential_distribution<double>(1 / mean_s)(random)));
            };
            auto connect = [&](std::mt19937_64& dice) { all.spawn(request, lasts(600, dice)); };
            std::mt19937_64 random(7);
            for (int i = 0; i < 550; ++i)  // those that are there when the watch begins
                connect(random);
            all.spawn_service([&] { return watch.run(); });
            all.spawn([&]() -> rf::task<> {
                co_await arrive(2, 24h, [](seconds at) { return swing(at) / 6; }, connect);
            });
            co_await arrive(
                1, 24h, [&](seconds at) { return requests * swing(at); },
                [&](std::mt19937_64& dice) { all.spawn(request, lasts(0.2, dice)); });
            CHECK(watch.statistics().samples >= 17'279);
            CHECK(watch.statistics().sites <= 16);
            all.cancel();
        });
        CHECK(heard == "");
    });
}

TEST_CASE("monitor: what lasts is listed by line, and what was there first is the baseline") {
    run_sim([]() -> rf::task<> {
        rf::sync::channel<int> answers(0);
        monitor watch({.interval = 1s});
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            const auto line = std::source_location::current().line() + 2;
            for (int i = 0; i < 7; ++i)
                all.spawn(wait_for_answer, std::ref(answers));
            all.spawn_service([&] { return watch.run(); });
            co_await rf::sleep_for(5s + 1ms);
            const growth_warning now = watch.lasting();
            REQUIRE(now.sites.size() >= 2);
            CHECK(now.sites[0].line.line() == line);
            CHECK(now.sites[0].baseline == 7);
            CHECK(now.sites[0].now == 7);
            CHECK(now.sites[0].per_second == 0);
            CHECK(now.sites[0].over == 8s);
            CHECK(now.sites[1].line.line() == lost_wait_line);
            CHECK(watch.statistics().tasks_lasting == 9);  // this one and the monitor's too
            all.cancel();
        });
    });
}

#if defined(RF_WITH_PROFILE)

TEST_CASE("monitor: the diff profile has the growth of each line, below zero where it shrinks") {
    run_sim([]() -> rf::task<> {
        rf::sync::channel<int> answers(0);
        rf::sync::channel<int> others(0);
        monitor watch({.interval = 1s});
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            const auto stays = std::source_location::current().line() + 2;
            for (int i = 0; i < 7; ++i)
                all.spawn(wait_for_answer, std::ref(answers));
            watch.sample();
            for (int second = 0; second < 8; ++second) {
                co_await rf::sleep_for(1s);
                watch.sample();
            }
            const auto comes = std::source_location::current().line() + 2;
            for (int i = 0; i < 3; ++i)
                all.spawn(wait_for_other, std::ref(others));
            for (int i = 0; i < 5; ++i)
                co_await answers.send(1);
            for (int second = 0; second < 3; ++second) {
                co_await rf::sleep_for(1s);
                watch.sample();
            }
            const rf::test::decoded_profile seen =
                rf::test::decode_profile(watch.lasting().diff_profile());
            CHECK(seen.types ==
                  std::vector<std::string>{"growth/count", "now/count", "baseline/count"});
            CHECK(seen.default_type == "growth");
            const auto values_at = [&](std::uint_least32_t line, const char* site) {
                const std::string end = "monitor_test.cpp:" + std::to_string(line);
                for (const auto& one : seen.samples)
                    if (one.stack.at(0).ends_with(end) && one.labels.at("site") == site) {
                        CHECK(one.labels.at("over") == "8000000000 nanoseconds");
                        CHECK(one.stack.size() == 2);
                        return one.values;
                    }
                return std::vector<std::int64_t>();
            };
            CHECK(values_at(stays, "spawn") == std::vector<std::int64_t>{-5, 2, 7});
            CHECK(values_at(comes, "spawn") == std::vector<std::int64_t>{3, 3, 0});
            CHECK(values_at(lost_wait_line, "wait") == std::vector<std::int64_t>{-5, 2, 7});
            CHECK(values_at(other_wait_line, "wait") == std::vector<std::int64_t>{3, 3, 0});
            all.cancel();
        });
    });
}

#endif

TEST_CASE("monitor: a task that goes from wait to wait is in no wait for long") {
    run_sim([]() -> rf::task<> {
        monitor watch({.interval = 1s});
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([]() -> rf::task<> {
                for (;;)
                    co_await rf::sleep_for(130ms);  // under way at each sample
            });
            all.spawn_service([&] { return watch.run(); });
            const auto here = std::source_location::current().line();
            co_await rf::sleep_for(10s + 1ms);
            for (const auto& site : watch.lasting().sites)
                CHECK((site.kind == site_kind::spawn || site.line.line() == here + 1));
            all.cancel();
        });
    });
}

TEST_CASE("monitor: a wait inside the library is booked on the line that called it") {
    run_sim([]() -> rf::task<> {
        monitor watch({.interval = 1s});
        rf::sync::supervisor services;
        services.add("idle", [] { return request(1h); });
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            const auto here = std::source_location::current().line();
            all.spawn([&]() -> rf::task<> {
                co_await services.run();  // two lines below `here`
            });
            all.spawn_service([&] { return watch.run(); });
            co_await rf::sleep_for(5s + 1ms);
            int booked = 0;
            for (const auto& site : watch.lasting().sites) {
                if (site.kind != site_kind::wait) continue;
                CHECK(std::string(site.line.file_name()).ends_with("monitor_test.cpp"));
                if (site.line.line() == here + 2) ++booked;
            }
            CHECK(booked == 1);
            all.cancel();
        });
    });
}

TEST_CASE("monitor: lines beyond the limit are counted and not watched") {
    run_sim([]() -> rf::task<> {
        monitor watch({.interval = 1s, .sites_max = 1});
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(request, 1h);
            all.spawn_service([&] { return watch.run(); });
            co_await rf::sleep_for(10s + 1ms);
            CHECK(watch.statistics().sites == 1);
            CHECK(watch.statistics().sites_refused > 0);
            all.cancel();
        });
    });
}

#if RF_EXCEPTIONS
TEST_CASE("monitor: options that make no sense are refused") {
    CHECK_THROWS_AS(monitor({.interval = 0s}), std::invalid_argument);
    CHECK_THROWS_AS(monitor({.sites_max = 0}), std::invalid_argument);
}
#endif
