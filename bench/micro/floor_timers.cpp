// SPDX-License-Identifier: MIT
// Timers that can be armed and cancelled and no more: a list for each millisecond of the next
// minute or so. Nothing finds the next deadline, nothing fires, nothing may be further away.
#include "deadlines.hpp"
#include "micro.hpp"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <vector>

namespace {

struct timer {
    timer* before = nullptr;
    timer* after = nullptr;
};

class wheel {
public:
    static constexpr std::size_t slots_count = 65'536;
    wheel() : slots_(slots_count) {
        for (timer& head : slots_)
            head.before = head.after = &head;
    }
    void arm(timer& one, rf::instant deadline) noexcept {
        const auto tick = static_cast<std::size_t>(deadline / micro::millisecond);
        timer& head = slots_[tick % slots_count];
        one.before = head.before;
        one.after = &head;
        one.before->after = &one;
        head.before = &one;
    }
    static void cancel(timer& one) noexcept {
        one.before->after = one.after;
        one.after->before = one.before;
    }
    [[nodiscard]] bool empty() const noexcept {
        for (const timer& head : slots_)
            if (head.after != &head) return false;
        return true;
    }

private:
    std::vector<timer> slots_;
};

void arm_and_cancel_all(micro::stopwatch* watch, long count) {
    std::vector<timer> timers(static_cast<std::size_t>(count));
    wheel slots;
    micro::deadlines when(0);
    watch->begin();
    for (timer& one : timers)
        slots.arm(one, when.next());
    for (timer& one : timers)
        wheel::cancel(one);
    watch->end(count);
    if (!slots.empty()) std::abort();
}

void churn_at_1m(micro::stopwatch* watch, long count) {
    std::vector<timer> outstanding(1'000'000);
    wheel slots;
    micro::deadlines when(0);
    for (timer& other : outstanding)
        slots.arm(other, when.next());
    timer one;
    watch->begin();
    for (long i = 0; i < count; ++i) {
        slots.arm(one, when.next());
        wheel::cancel(one);
    }
    watch->end(count);
    for (timer& other : outstanding)
        wheel::cancel(other);
    if (!slots.empty()) std::abort();
}

constexpr std::array benches{
    micro::floor_bench{"floor_timer_1m_arm_cancel", arm_and_cancel_all},
    micro::floor_bench{"floor_timer_churn_at_1m", churn_at_1m},
};

}  // namespace

std::span<const micro::floor_bench> micro::timer_floors() { return benches; }
