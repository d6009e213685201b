// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/detail/growth_track.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

using rf::leakcheck::detail::growth_track;

namespace {

/// Feeds things that come, and go with the same chance a sample each: a service in miniature.
class population {
public:
    explicit population(std::uint64_t seed, std::uint64_t count)
        : random_(seed), count_(count), track_(count) {}

    /// One sample. Whether that is news.
    bool step(double come, double chance_to_go, std::uint64_t leaked = 0) {
        const auto came =
            come > 0 ? std::poisson_distribution<std::uint64_t>(come)(random_) : std::uint64_t{0};
        const auto went =
            std::binomial_distribution<std::uint64_t>(count_ - leaked_, chance_to_go)(random_);
        leaked_ += leaked;
        count_ += came + leaked - went;
        return track_.add(count_, came + leaked).has_value();
    }
    [[nodiscard]] std::uint64_t count() const { return count_; }

private:
    std::mt19937_64 random_;
    std::uint64_t count_;
    std::uint64_t leaked_ = 0;
    growth_track track_;
};

constexpr int samples_a_day = 17'280;

/// Between 1 and 10, once a day; sample 0 is where it grows by the largest part.
double swing(int sample) {
    const double turn = 2 * std::numbers::pi * sample / samples_a_day - 0.958;
    return 5.5 + 4.5 * std::sin(turn);
}

int first_news(growth_track& track, std::uint64_t count, std::uint64_t each, int limit) {
    for (int sample = 1; sample <= limit; ++sample)
        if (track.add(count + each * static_cast<std::uint64_t>(sample), each)) return sample;
    return -1;
}

}  // namespace

TEST_CASE("growth_track: five more each sample are growth when each quarter of a window grew") {
    growth_track track(20);
    CHECK(first_news(track, 20, 5, 100) == 7);
    const auto seen = track.latest();
    CHECK(seen.baseline == 20);
    CHECK(seen.now == 55);
    CHECK(seen.per_sample == 5.0);
    CHECK(seen.samples == 8);
}

TEST_CASE("growth_track: slower leaks are seen in longer windows") {
    SUBCASE("one in two samples, in minutes") {
        growth_track track(0);
        std::uint64_t count = 0;
        int found = 0;
        for (int sample = 1; found == 0 && sample < 1000; ++sample) {
            count += sample % 2;
            if (track.add(count, sample % 2)) found = sample;
        }
        CHECK(found > 50);
        CHECK(found <= 97);
    }
    SUBCASE("three in a thousand samples, within a day") {
        growth_track track(0);
        std::uint64_t count = 0;
        int found = 0;
        for (int sample = 1; found == 0 && sample < 2 * samples_a_day; ++sample) {
            const std::uint64_t came = sample % 333 == 0 ? 1 : 0;
            if (track.add(count += came, came)) found = sample;
        }
        CHECK(found > 0);
        CHECK(found <= samples_a_day);
    }
}

TEST_CASE("growth_track: growth is news once, and again when the count has doubled") {
    growth_track track(0);
    std::uint64_t count = 0;
    std::uint64_t last = 0;
    for (int sample = 1; sample <= 1000; ++sample) {
        if (!track.add(count += 5, 5)) continue;
        CHECK(count >= 2 * last);
        last = count;
    }
    CHECK(last > 2500);
    for (int sample = 0; sample < 100; ++sample)
        CHECK(!track.add(0, 0));
    CHECK(first_news(track, 0, 5, 100) > 0);  // mended, and broken again
}

TEST_CASE("growth_track: a burst that stays, and two of them, are not growth") {
    for (const int second : {2, 4, 6, 30}) {
        growth_track track(10);
        for (int sample = 0; sample < 2 * samples_a_day; ++sample) {
            const std::uint64_t came = sample == 50 || sample == 50 + second ? 500 : 0;
            const std::uint64_t count =
                10u + (sample >= 50 ? 500u : 0u) + (sample >= 50 + second ? 500u : 0u);
            REQUIRE(!track.add(count, came));
        }
    }
}

// Few or many, short or long: what lasts a minute, ten minutes, six hours; steady and with a swing.
TEST_CASE("growth_track: days of ordinary comings and goings are not growth") {
    rf::test::for_seeds(1, [](std::uint64_t seed) {
        for (const double chance_to_go : {0.5, 0.08, 0.008, 0.0003})
            for (const double usual : {3.0, 50.0, 2000.0})
                for (const bool swings : {false, true}) {
                    INFO("1 in " << 1 / chance_to_go << " goes, " << usual << ", " << swings);
                    population service(seed, static_cast<std::uint64_t>(usual));
                    for (int sample = 0; sample < 2 * samples_a_day; ++sample) {
                        const double now = usual * (swings ? swing(sample) / swing(0) : 1);
                        const bool news = service.step(now * chance_to_go, chance_to_go);
                        REQUIRE_MESSAGE(!news, "at sample " << sample << ", " << service.count());
                    }
                }
    });
}

TEST_CASE("growth_track: a leak is seen among what comes and goes") {
    rf::test::for_seeds(20, [](std::uint64_t seed) {
        population service(seed, 20);
        for (int sample = 0; sample < 1000; ++sample)
            REQUIRE(!service.step(2, 0.1));
        int found = 0;
        for (int sample = 1; found == 0 && sample <= 100; ++sample)
            if (service.step(2, 0.1, 5)) found = sample;
        CHECK(found > 0);
        CHECK(found <= 96);  // comings and goings hide it from the shortest window, at times
    });
}
