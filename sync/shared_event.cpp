// SPDX-License-Identifier: MIT
#include <ringfence/sync/shared_event.hpp>

namespace rf::sync::detail {

void shared_event_core::set() noexcept {
    const change here(*this);
    if (set_) return;
    set_ = true;
    ++sets_;
}

void shared_event_core::reset() noexcept {
    const std::lock_guard lock(mutex());
    set_ = false;
}

bool shared_event_core::is_set() const noexcept {
    const std::lock_guard lock(mutex());
    return set_;
}

std::uint64_t shared_event_core::sets() const noexcept {
    const std::lock_guard lock(mutex());
    return sets_;
}

bool shared_event_core::wait_blocking(std::chrono::nanoseconds limit) noexcept {
    const auto until = blocking_until(limit);
    change here(*this);
    const std::uint64_t seen = sets_;
    return block(here, shared_side::take, until, [&] { return set_ || sets_ != seen; });
}

shared_event_statistics shared_event_core::statistics() const noexcept {
    const std::lock_guard lock(mutex());
    const counts now = count();
    return {now.waiting[0], now.handles, sets_, now.posts};
}

// Counted sets and not the flag: a reset may come before the loop of those who waited has looked.
bool shared_event_core::serve(shared_wait& wait) noexcept {
    return set_ || static_cast<shared_event_wait&>(wait).seen != sets_;
}

// While it is set. Whoever waited then has been told by the time it is reset.
std::size_t shared_event_core::ready(shared_side side) const noexcept {
    return set_ && side == shared_side::take ? static_cast<std::size_t>(-1) : 0;
}

}  // namespace rf::sync::detail
