// SPDX-License-Identifier: MIT

// A hierarchical timing wheel whose finest tick is one nanosecond.
//
// The usual wheel has ticks of a millisecond and either fires a tick's timers in any order or sorts
// them when the tick comes. Here a deadline is read as eleven digits of six bits, and a timer lies
// at the highest digit in which its deadline differs from position_, in the slot which that digit
// names. So the earliest timer is always in the first occupied slot of the lowest occupied level,
// two bit scans away, and a slot of level 0 is one exact instant: order needs no sorting.
//
// What makes eleven levels cheap is that position_ does not walk. Opening a slot moves position_ to
// the slot's earliest timer rather than to its start, so that a timer with the neighbourhood to
// itself falls to level 0 from any height at once. (Ancestry: the radix heap, which a wheel becomes
// when its position follows the minimum.)
//
// Two timers of one deadline always share a list, since their place depends on nothing but deadline
// and position; lists are appended to and opened from the front, so arming order survives every
// move.
//
// Only a deadline before position_, late when it was armed, has no slot. Those wait in a list that
// is sorted before it is used.

#include <ringfence/runtime/timer_wheel.hpp>

#include <algorithm>

namespace rf {

namespace {

/// Timers looked at to find the earliest of a slot. With more, the slot's start stands for it: a
/// bound on the work, and crowded slots have their earliest near the start.
constexpr std::size_t scan_max = 16;

/// Sorted runs of 1, 2, 4... timers; the last takes all the rest.
constexpr std::size_t sort_runs = 32;

}  // namespace

timer_wheel::~timer_wheel() {
    RF_ASSERT(armed_count_ == 0, "a timer wheel was destroyed while timers were armed");
}

std::size_t timer_wheel::fire_due(instant now, std::size_t max) noexcept {
    if (now < next_) return 0;
    std::size_t fired = 0;
    while (fired < max) {
        timer* const due = take_due(now);
        if (due == nullptr) break;
        ++fired;
        due->on_fire(*due);  // the timer may be gone when this returns
    }
    return fired;
}

instant timer_wheel::next_deadline() noexcept {
    if (occupied_levels_ == 0) next_ = instant_never;
    if (next_ != unknown) return next_;
    sort_late();
    const list& late = lists_[late_sorted];
    next_ = late.linked() ? static_cast<timer*>(late.next)->deadline_ : earliest_in(first_slot());
    return next_;
}

/// Takes the earliest timer out if it is due. Otherwise moves position_ as far as it may go.
timer* timer_wheel::take_due(instant now) noexcept {
    next_ = unknown;
    sort_late();
    if (list& late = lists_[late_sorted]; late.linked()) {
        auto& first = static_cast<timer&>(*late.next);
        if (first.deadline_ > now) return nullptr;
        remove(first);
        return &first;
    }
    // Ends: a slot that is opened empties into lower levels.
    while (occupied_levels_ != 0) {
        const slot_place place = first_slot();
        if (place.start > now) break;
        if (place.index < slots) {
            auto& first = static_cast<timer&>(*lists_[place.index].next);
            remove(first);
            return &first;
        }
        const instant earliest = open(place, now);
        if (earliest > now) {
            next_ = earliest;
            return nullptr;
        }
    }
    // Every slot starts after `now`, so each timer differs from `now` where it differed from
    // position_, and stays where it is.
    position_ = std::max(position_, now);
    return nullptr;
}

/// The slot of the earliest timer that is not late. There must be one.
timer_wheel::slot_place timer_wheel::first_slot() const noexcept {
    const auto level = static_cast<std::size_t>(std::countr_zero(occupied_levels_));
    const auto slot = static_cast<std::size_t>(std::countr_zero(occupied_[level]));
    RF_ASSERT(level < levels, "a late timer was passed over");
    const std::size_t shift = level * digit_bits;
    // The digits above the level's are those of position_.
    const std::uint64_t above = static_cast<std::uint64_t>(position_) >> shift >> digit_bits;
    const std::uint64_t start = ((above << digit_bits) | slot) << shift;
    return {level * slots + slot, static_cast<instant>(start)};
}

/// The earliest deadline in the slot, or the slot's start if it holds many timers.
instant timer_wheel::earliest_in(const slot_place& place) const noexcept {
    if (place.index < slots) return place.start;
    const list& subject = lists_[place.index];
    instant earliest = instant_never;
    std::size_t seen = 0;
    for (const list* at = subject.next; at != &subject; at = at->next) {
        if (++seen > scan_max) return place.start;
        earliest = std::min(earliest, static_cast<const timer*>(at)->deadline_);
    }
    return earliest;
}

/// Moves position_ into the slot, which must be the first and start no later than `now`, and its
/// timers to lower levels. Returns the earliest deadline among them.
instant timer_wheel::open(const slot_place& place, instant now) noexcept {
    position_ = std::min(now, earliest_in(place));
    list& opened = lists_[place.index];
    list* at = opened.next;
    opened.next = opened.previous = &opened;
    mark_empty(place.index);
    instant earliest = instant_never;
    while (at != &opened) {
        auto& moved = static_cast<timer&>(*at);
        at = at->next;
        earliest = std::min(earliest, moved.deadline_);
        insert(moved);
    }
    return earliest;
}

/// Brings the late timers that have arrived into their order among the others.
void timer_wheel::sort_late() noexcept {
    list& arrived = lists_[late_arrived];
    if (!arrived.linked()) [[likely]]
        return;
    sort(arrived);
    merge(lists_[late_sorted], arrived);
    mark_occupied(late_sorted);
    mark_empty(late_arrived);
}

/// Moves all of `from` to the end of `into`.
void timer_wheel::splice_back(list& into, list& from) noexcept {
    if (!from.linked()) return;
    from.next->previous = into.previous;
    from.previous->next = &into;
    into.previous->next = from.next;
    into.previous = from.previous;
    from.next = from.previous = &from;
}

/// Merges two sorted lists. Of equal deadlines, those already in `into` come first.
void timer_wheel::merge(list& into, list& from) noexcept {
    list* place = into.next;
    while (from.linked() && place != &into) {
        auto& first = static_cast<timer&>(*from.next);
        if (static_cast<timer&>(*place).deadline_ <= first.deadline_) {
            place = place->next;
            continue;
        }
        first.unlink();
        first.link_before(*place);
    }
    splice_back(into, from);
}

/// Sorts by deadline, keeping the order of equals. Merges from the bottom up, since a list cannot
/// be halved without a walk.
void timer_wheel::sort(list& subject) noexcept {
    std::array<list, sort_runs> runs;  // of 2^n timers or none; those of a higher n came earlier
    while (subject.linked()) {
        list carried;
        list& first = *subject.next;
        first.unlink();
        first.link_before(carried);
        std::size_t n = 0;
        for (; n + 1 < sort_runs && runs[n].linked(); ++n) {
            merge(runs[n], carried);
            splice_back(carried, runs[n]);
        }
        merge(runs[n], carried);
    }
    for (list& run : runs) {
        merge(run, subject);
        splice_back(subject, run);
    }
}

}  // namespace rf
