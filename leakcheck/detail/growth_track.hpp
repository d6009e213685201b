// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace rf::leakcheck::detail {

/// A number that keeps growing, counted in samples.
struct growth_trend {
    std::uint64_t baseline = 0;  // at the beginning of the window
    std::uint64_t now = 0;
    double per_sample = 0;      // median of the slopes between all points of the window
    std::uint64_t samples = 0;  // length of the window
};

/// Watches one count, of things that come and go, for growth that does not end.
///
/// It is asked whether the things that came outnumber those that went by more than chance and an
/// ordinary day explain. In each of four windows (8, 96, 960 and 17,280 samples: 40 s, 8 min,
/// 80 min and a day at one sample in 5 s) growth means all of these:
///   - five times what comings and goings that balance would differ by (the root of their sum);
///   - more than a part of the count that the steepest hour of a day with a tenfold swing does not
///     reach (5, 25, 150 and 100 %);
///   - each quarter of the window grew: a burst that stays, or two, is not growth.
/// Cost: 616 bytes, whatever it has seen; a few comparisons a sample.
class growth_track {
public:
    /// As if the count had been `count` for ever.
    explicit growth_track(std::uint64_t count) noexcept;

    /// The next sample: the count, and how many of those are new. Gives the trend of the shortest
    /// window that grows, when that is news: the first time, and when the count has doubled since.
    std::optional<growth_trend> add(std::uint64_t count, std::uint64_t came) noexcept;

    /// The shortest window, growing or not.
    [[nodiscard]] growth_trend latest() const noexcept { return trend(0); }
    /// Samples since anything was counted.
    [[nodiscard]] std::uint64_t empty_for() const noexcept { return empty_for_; }

private:
    static constexpr std::size_t windows = 4;
    static constexpr std::size_t points = 9;  // so 8 steps, 4 quarters
    static constexpr std::array<std::uint64_t, windows> step = {1, 12, 120, 2160};
    static constexpr std::array<double, windows> part = {0.05, 0.25, 1.5, 1.0};

    struct point {
        std::uint64_t count = 0;
        std::uint64_t came = 0;  // ever
    };

    /// The point of `window` that lies `steps` back.
    [[nodiscard]] const point& back(std::size_t window, std::size_t steps) const noexcept {
        return rings_[window][(samples_ / step[window] + points - steps) % points];
    }
    [[nodiscard]] growth_trend trend(std::size_t window) const noexcept;
    [[nodiscard]] bool grows(std::size_t window, const growth_trend& seen) const noexcept;

    std::array<std::array<point, points>, windows> rings_;
    std::uint64_t samples_ = 0;
    std::uint64_t came_ = 0;
    std::uint64_t empty_for_ = 0;
    std::uint64_t told_ = 0;           // the count when growth was last reported; 0: it was not
    std::uint64_t told_baseline_ = 0;  // at or below this, it has ended
};

}  // namespace rf::leakcheck::detail
