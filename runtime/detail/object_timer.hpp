// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/timer_wheel.hpp>

#include <cstdint>

namespace rf::detail {

/// A timer of an object that tasks share (a cache's clock, the next permit of a limiter), and so in
/// the frame of none of them. Where openings are kept, it has the async stack of the task that
/// armed it last, or note()d that it may be armed on its behalf; armed by the loop, as when it has
/// fired or a request has ended, it keeps the one it had.
///
/// Cost: as a timer; where openings are not kept, one branch more to arm it.
class object_timer : public timer {
public:
    /// `name` lives for ever: "clock of a ttl_cache".
    explicit object_timer(const char* name) noexcept : name_(name) {}
    ~object_timer() {
        if (!noted_) return;
        if (loop* const owner = loop::current(); owner != nullptr)
            owner->tell_of_closing(resource_kind::timer, number());
    }

    /// As timer_wheel::arm() of the loop; the wheel's cancel() takes it too.
    void arm(instant deadline) noexcept {
        loop::here().timers().arm(*this, deadline);
        note();
    }

    void note() noexcept {
        loop& owner = loop::here();
        if (!owner.watched() || slot.current == nullptr) [[likely]]
            return;
        owner.tell_of_opening(resource_kind::timer, number());
        noted_ = true;
    }

    [[nodiscard]] const char* name() const noexcept { return name_; }

private:
    [[nodiscard]] std::uint64_t number() const noexcept {
        return reinterpret_cast<std::uint64_t>(this);
    }

    const char* name_;
    bool noted_ = false;
};

}  // namespace rf::detail
