// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/driver.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace rf {

/// Calls a function at a deadline. Made to be a base or a member of what waits, in its own frame.
///
/// Lifetime: stays where it is and outlives its arming. Destroying an armed timer is a bug and
///   aborts. Once its function is called it is no longer armed, and the function may arm it again
///   or destroy it.
/// Cost: 32 bytes.
class timer : private detail::list_hook {
public:
    timer() noexcept = default;
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    ~timer() { RF_ASSERT(!armed(), "an armed timer was destroyed; cancel it first"); }

    [[nodiscard]] bool armed() const noexcept { return linked(); }

    /// The deadline of the last arming; meaningless before the first.
    [[nodiscard]] instant deadline() const noexcept { return deadline_; }

    /// What is called, in the loop's turn and never inside arm() or cancel(). Set before arming.
    void (*on_fire)(timer&) noexcept = nullptr;

private:
    friend class timer_wheel;

    instant deadline_ = 0;
};
static_assert(sizeof(timer) <= 40, "timers lie in every waiting frame");

/// Holds the armed timers of one loop and fires them in the order of their deadlines, those of one
/// deadline in the order of their arming. The order is exact to the nanosecond, whatever the
/// distance and however late.
///
/// Made for timeouts, nearly all of which are cancelled: a timer that does not come close to its
/// deadline costs its arming and its cancelling and no more.
///
/// Lifetime: destroying it while a timer is armed is a bug and aborts.
/// Threads: one loop.
/// Cost: never allocates; 11 KiB. arm() and cancel() take constant time. A timer that fires has
///   been moved at most ten times, usually three; a jump over days of silence costs nothing.
class timer_wheel {
public:
    /// Timers mostly lie after `now`; any other start is as right, and slower at first.
    explicit timer_wheel(instant now = 0) noexcept : position_(now > 0 ? now : 0) {}
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;
    ~timer_wheel();

    /// The timer fires at the first fire_due() whose time is not before `deadline`, which may be
    /// past but not instant_never. The timer must not be armed.
    void arm(timer& subject, instant deadline) noexcept;

    /// The timer will not fire. Does nothing if it is not armed in the first place.
    void cancel(timer& subject) noexcept;

    /// Fires what is due at `now`, at most `max` timers. Returns how many; fewer than `max` means
    /// that nothing due is left. The functions called may arm and cancel any timer; what they arm
    /// for `now` or earlier fires in the same call, in its order, while `max` allows.
    std::size_t fire_due(instant now, std::size_t max) noexcept;

    /// When to call fire_due() next: never later than the earliest deadline; instant_never if no
    /// timer is armed. Exact, unless many timers lie close together around the earliest. Then it
    /// may be earlier, and fire_due() at that instant, if it fires none, makes the answer later.
    [[nodiscard]] instant next_deadline() noexcept;

    [[nodiscard]] std::size_t armed_count() const noexcept { return armed_count_; }

private:
    /// A list is the hook between its last timer and its first.
    using list = detail::list_hook;

    static constexpr std::size_t digit_bits = 6;
    static constexpr std::size_t slots = std::size_t{1} << digit_bits;  // of one level
    static constexpr std::size_t levels = 11;                           // 66 bits: every instant
    static constexpr std::size_t late_sorted = levels * slots;
    static constexpr std::size_t late_arrived = late_sorted + 1;
    static constexpr std::size_t lists_count = late_arrived + 1;
    static constexpr instant unknown = std::numeric_limits<instant>::min();

    struct slot_place {
        std::size_t index;
        instant start;  // first instant the slot stands for
    };

    [[nodiscard]] std::size_t index_of(instant deadline) const noexcept;
    void insert(timer& subject) noexcept;
    void remove(timer& subject) noexcept;
    void mark_occupied(std::size_t index) noexcept;
    void mark_empty(std::size_t index) noexcept;

    [[nodiscard]] slot_place first_slot() const noexcept;
    [[nodiscard]] instant earliest_in(const slot_place& place) const noexcept;
    [[nodiscard]] timer* take_due(instant now) noexcept;
    instant open(const slot_place& place, instant now) noexcept;
    void sort_late() noexcept;
    static void splice_back(list& into, list& from) noexcept;
    static void merge(list& into, list& from) noexcept;
    static void sort(list& subject) noexcept;

    // Every timer not before position_ is in the list of index_of(its deadline), every other in
    // one of the two late lists; timers of one deadline share a list, in the order of arming.
    instant position_;              // not negative, so that digits compare as deadlines do
    instant next_ = instant_never;  // not later than any armed deadline; `unknown` is earliest
    std::size_t armed_count_ = 0;
    std::uint32_t occupied_levels_ = 0;                    // bit n: occupied_[n] is not zero
    std::array<std::uint64_t, levels + 1> occupied_ = {};  // bit n: the level's list n is not empty
    std::array<list, lists_count> lists_;                  // by level and slot, then the late ones
};

// Implementation

inline std::size_t timer_wheel::index_of(instant deadline) const noexcept {
    if (deadline < position_) [[unlikely]]
        return late_arrived;
    const auto target = static_cast<std::uint64_t>(deadline);
    const std::uint64_t difference = target ^ static_cast<std::uint64_t>(position_);
    const auto highest_bit = static_cast<std::size_t>(std::bit_width(difference | 1)) - 1;
    const std::size_t level = highest_bit / digit_bits;
    return level * slots + ((target >> (level * digit_bits)) & (slots - 1));
}

inline void timer_wheel::mark_occupied(std::size_t index) noexcept {
    occupied_[index / slots] |= std::uint64_t{1} << (index % slots);
    occupied_levels_ |= std::uint32_t{1} << (index / slots);
}

inline void timer_wheel::mark_empty(std::size_t index) noexcept {
    std::uint64_t& level = occupied_[index / slots];
    level &= ~(std::uint64_t{1} << (index % slots));
    if (level == 0) occupied_levels_ &= ~(std::uint32_t{1} << (index / slots));
}

inline void timer_wheel::insert(timer& subject) noexcept {
    const std::size_t index = index_of(subject.deadline_);
    subject.link_before(lists_[index]);
    mark_occupied(index);
}

inline void timer_wheel::remove(timer& subject) noexcept {
    list* const after = subject.next;
    const bool was_alone = after == subject.previous;  // then both are the list
    subject.unlink();
    --armed_count_;
    if (subject.deadline_ == next_) next_ = unknown;
    if (was_alone) mark_empty(static_cast<std::size_t>(after - lists_.data()));
}

inline void timer_wheel::arm(timer& subject, instant deadline) noexcept {
    RF_ASSERT(!subject.armed(), "a timer was armed twice; cancel it first");
    RF_ASSERT(deadline != instant_never, "a timer was armed for never; do not arm it");
    RF_ASSERT(subject.on_fire != nullptr, "a timer was armed with nothing to call; set on_fire");
    subject.deadline_ = deadline;
    if (deadline < next_) next_ = deadline;
    ++armed_count_;
    insert(subject);
}

inline void timer_wheel::cancel(timer& subject) noexcept {
    if (subject.armed()) remove(subject);
}

}  // namespace rf
