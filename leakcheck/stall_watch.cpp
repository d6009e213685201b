// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/stall_watch.hpp>

#include <algorithm>
#include <utility>

namespace rf::leakcheck::detail {

using namespace std::chrono_literals;

std::chrono::nanoseconds stall_watch::period() const noexcept {
    return std::max<std::chrono::nanoseconds>(std::chrono::nanoseconds(threshold_ / 5), 1ms);
}

stall_watch::answer stall_watch::look(std::uint64_t beat, instant now) {
    const instant counted_max = 4 * period().count();
    const instant since = now - std::exchange(looked_, now);
    if (std::exchange(beat_, beat) != beat) {
        begun_ = now;
        skipped_ = 0;
        told_ = false;
        return beat % 2 == 0 ? answer::begins : answer::fine;
    }
    if (since > counted_max) {
        begun_ += since - counted_max;
        skipped_ += since - counted_max;
    }
    if (beat % 2 != 0 || told_ || now - begun_ < threshold_) return answer::fine;
    told_ = true;
    while (!reports_.empty() && now - reports_.front() >= std::chrono::nanoseconds(1min).count())
        reports_.pop_front();
    if (reports_.size() >= reports_per_minute_) return answer::suppressed;
    reports_.push_back(now);
    return answer::stall;
}

bool stall_watch::take_off(std::chrono::nanoseconds span, instant now) {
    const instant skipped = std::exchange(skipped_, 0);
    begun_ = std::min(begun_ + std::max<instant>(span.count() - skipped, 0), now);
    if (now - begun_ >= threshold_) return false;
    told_ = false;
    reports_.pop_back();
    return true;
}

}  // namespace rf::leakcheck::detail
