// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/stall_watch.hpp>

#include <algorithm>

namespace rf::leakcheck::detail {

using namespace std::chrono_literals;

std::chrono::nanoseconds stall_watch::period() const noexcept {
    return std::max<std::chrono::nanoseconds>(std::chrono::nanoseconds(threshold_ / 5), 1ms);
}

stall_watch::answer stall_watch::look(std::uint64_t beat, instant now) {
    const bool late = now - looked_ > 4 * period().count();
    const bool other = beat != beat_;
    looked_ = now;
    beat_ = beat;
    if (other || late) begun_ = now;
    if (other) told_ = false;
    if (beat % 2 != 0) return answer::fine;
    if (other || late) return answer::begins;
    if (told_ || now - begun_ < threshold_) return answer::fine;
    told_ = true;
    while (!reports_.empty() && now - reports_.front() >= std::chrono::nanoseconds(1min).count())
        reports_.pop_front();
    if (reports_.size() >= reports_per_minute_) return answer::suppressed;
    reports_.push_back(now);
    return answer::stall;
}

bool stall_watch::take_off(std::chrono::nanoseconds span, instant now) {
    begun_ += span.count();
    if (now - begun_ >= threshold_) return false;
    told_ = false;
    reports_.pop_back();
    return true;
}

}  // namespace rf::leakcheck::detail
