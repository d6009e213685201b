// SPDX-License-Identifier: MIT
#include "figures.hpp"

#include <algorithm>
#include <cmath>

namespace demo {

void histogram::add(std::chrono::nanoseconds span) noexcept {
    const double us = std::max(1.0, static_cast<double>(span.count()) / 1000);
    const auto bucket = static_cast<std::size_t>(std::log2(us) * steps);
    ++counts_[std::min(bucket, counts_.size() - 1)];
    ++total_;
}

std::chrono::nanoseconds histogram::quantile(double share) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        seen += counts_[i];
        if (seen <= wanted || seen == 0) continue;
        const double us = std::exp2((static_cast<double>(i) + 0.5) / steps);
        return std::chrono::nanoseconds(static_cast<std::int64_t>(us * 1000));
    }
    return {};
}

}  // namespace demo
