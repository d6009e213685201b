// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/growth_track.hpp>

#include <algorithm>
#include <cmath>

namespace rf::leakcheck::detail {

growth_track::growth_track(std::uint64_t count) noexcept {
    for (auto& ring : rings_)
        ring.fill({count, 0});
}

std::optional<growth_trend> growth_track::add(std::uint64_t count, std::uint64_t came) noexcept {
    ++samples_;
    came_ += came;
    empty_for_ = count == 0 ? empty_for_ + 1 : 0;
    if (count <= told_baseline_) told_ = 0;
    std::optional<growth_trend> news;
    for (std::size_t window = 0; window < windows; ++window) {
        if (samples_ % step[window] != 0) break;  // each step is a multiple of the one before
        rings_[window][samples_ / step[window] % points] = {count, came_};
        if (news) continue;
        const growth_trend seen = trend(window);
        if (grows(window, seen)) news = seen;
    }
    if (!news || (told_ != 0 && count < 2 * told_)) return std::nullopt;
    told_ = count;
    told_baseline_ = news->baseline;
    return news;
}

growth_trend growth_track::trend(std::size_t window) const noexcept {
    std::array<double, points*(points - 1) / 2> slopes;
    std::size_t filled = 0;
    for (std::size_t newer = 0; newer < points; ++newer)
        for (std::size_t older = newer + 1; older < points; ++older)
            slopes[filled++] = (static_cast<double>(back(window, newer).count) -
                                static_cast<double>(back(window, older).count)) /
                               static_cast<double>(older - newer);
    const auto middle = slopes.begin() + slopes.size() / 2;
    std::nth_element(slopes.begin(), middle, slopes.end());
    return {.baseline = back(window, points - 1).count,
            .now = back(window, 0).count,
            .per_sample = *middle / static_cast<double>(step[window]),
            .samples = (points - 1) * step[window]};
}

bool growth_track::grows(std::size_t window, const growth_trend& seen) const noexcept {
    const auto count = [&](std::size_t steps) {
        return static_cast<double>(back(window, steps).count);
    };
    const double whole = count(0) - count(points - 1);
    const double growth = std::min(whole, seen.per_sample * static_cast<double>(seen.samples));
    if (growth <= 0 || growth < part[window] * count(points - 1)) return false;
    const auto came = static_cast<double>(back(window, 0).came - back(window, points - 1).came);
    const double went = std::max(0.0, came - whole);
    if (growth < 5 * std::sqrt(came + went)) return false;
    for (std::size_t newer = 0; newer + 2 < points; newer += 2)
        if (count(newer) - count(newer + 2) < growth / 12) return false;
    return true;
}

}  // namespace rf::leakcheck::detail
