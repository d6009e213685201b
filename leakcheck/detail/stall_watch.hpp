// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <deque>

namespace rf::leakcheck::detail {

/// Tells from a loop's beat, looked at now and then, that a task holds the loop. Knows nothing of
/// threads and clocks.
///
/// A stall counts from the first look that saw its beat, so it is never made longer than it is;
/// with looks a fifth of the threshold apart, one that lasts a quarter longer than the threshold is
/// always found. When this process, or the machine, stood still, a look comes late: the time
/// between two looks counts for four periods at most.
class stall_watch {
public:
    stall_watch(std::chrono::nanoseconds threshold, std::uint32_t reports_per_minute)
        : threshold_(threshold.count()), reports_per_minute_(reports_per_minute) {}

    enum class answer : std::uint8_t {
        fine,
        begins,     // a task runs that did not at the look before
        stall,      // it holds the loop for longer than the threshold: report it
        suppressed  // the same, beyond the reports of a minute
    };
    /// A stall is told once, however long it lasts.
    [[nodiscard]] answer look(std::uint64_t beat, instant now);

    /// At a stall: the thread was kept from running for `span` since it began, or since the last
    /// call. That is taken off, but for what late looks did not count: where a machine is short of
    /// processors both have waited for the same. True: so it is none, not yet at least, and may be
    /// told later.
    [[nodiscard]] bool take_off(std::chrono::nanoseconds span, instant now);

    /// At a stall: for how long it has lasted, at least.
    [[nodiscard]] std::chrono::nanoseconds lasted(instant now) const noexcept {
        return std::chrono::nanoseconds(now - begun_);
    }
    /// How long after a look the next one should come.
    [[nodiscard]] std::chrono::nanoseconds period() const noexcept;

private:
    instant threshold_;
    std::uint32_t reports_per_minute_;
    std::uint64_t beat_ = 1;  // at the look before; odd: no task
    instant looked_ = 0;
    instant begun_ = 0;    // the first look that saw this beat
    instant skipped_ = 0;  // since then, or since the last take_off(): not counted
    bool told_ = false;
    std::deque<instant> reports_;  // of the last minute; at most reports_per_minute_
};

}  // namespace rf::leakcheck::detail
