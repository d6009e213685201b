// SPDX-License-Identifier: MIT
#include <ringfence/runtime/timer_wheel.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>

namespace {

using rf::instant;
using rf::instant_never;

/// Up to so many timers next_deadline() is always exact.
constexpr std::size_t few = 16;

/// How a schedule is drawn.
struct schedule_shape {
    std::size_t timers = 40;
    int steps = 250;
    unsigned reach_bits = 62;  // deadlines lie up to this power of two ahead
};

/// One seeded run of a wheel beside the obvious std::multimap, which keeps equal keys in the order
/// of insertion. Every law is checked at every step; the first broken one is kept.
class schedule {
public:
    schedule(std::uint64_t seed, const schedule_shape& shape) : random_(seed), shape_(shape) {
        now_ = chance(2) ? 0 : magnitude(61);
        wheel_ = std::make_unique<rf::timer_wheel>(chance(2) ? now_ : 0);
        for (std::size_t i = 0; i < shape.timers; ++i)
            probes_.emplace_back(*this);
    }

    ~schedule() {
        for (probe& each : probes_)
            wheel_->cancel(each);
    }

    /// Empty, or the law that broke.
    std::string run() {
        for (int step = 0; step < shape_.steps && broken_.empty(); ++step) {
            for (std::size_t i = random_() % (shape_.timers / 4); i > 0; --i)
                change_something();
            if (chance(3)) sleep_and_fire();
            if (chance(2)) fire(now_ + magnitude(shape_.reach_bits));
            if (chance(4)) fire(now_);
            if (chance(4) && !model_.empty()) fire(std::max(now_, model_.begin()->first - 1));
        }
        ending_ = true;
        for (std::size_t left = model_.size() * 12; !model_.empty() && broken_.empty(); --left) {
            sleep_and_fire();
            law(left > 0, "waking at next_deadline leads to the end");
        }
        return broken_;
    }

private:
    struct probe;
    using model = std::multimap<instant, probe*>;
    struct probe : rf::timer {
        explicit probe(schedule& of) : owner(of) {
            on_fire = [](rf::timer& fired) noexcept {
                auto& self = static_cast<probe&>(fired);
                self.owner.fired(self);
            };
        }
        schedule& owner;
        model::iterator place;  // valid while armed
    };

    void law(bool holds, const char* text) {
        if (!holds && broken_.empty()) broken_ = text;
    }

    bool chance(unsigned one_in) { return random_() % one_in == 0; }

    /// From 0 up to 2^bits, each power of two as likely as the next; never past the end of time.
    instant magnitude(unsigned bits) {
        const auto drawn = static_cast<instant>(random_() >> (64 - bits + random_() % bits));
        return std::min(drawn, instant_never - 1 - now_);
    }

    probe& some_probe() { return probes_[random_() % probes_.size()]; }

    instant some_deadline() {
        switch (random_() % 8) {
        case 0: return some_probe().deadline();  // a tie, armed or fired long ago
        case 1: return now_;
        case 2: return now_ - magnitude(40);
        case 3: return now_ + magnitude(6);
        default: return now_ + magnitude(shape_.reach_bits);
        }
    }

    void arm(probe& subject) {
        const instant deadline = some_deadline();
        wheel_->arm(subject, deadline);
        subject.place = model_.emplace(deadline, &subject);
        law(subject.armed() && subject.deadline() == deadline, "an armed timer says so");
    }

    void change_something() {
        probe& subject = some_probe();
        if (subject.armed()) {
            wheel_->cancel(subject);
            wheel_->cancel(subject);
            model_.erase(subject.place);
            law(!subject.armed(), "a cancelled timer is not armed");
            if (chance(3)) return;
        }
        arm(subject);
    }

    void fired(probe& subject) {
        ++fired_;
        law(!subject.armed(), "a timer that fires is not armed");
        law(subject.deadline() <= now_, "no timer fires before its deadline");
        law(!model_.empty() && model_.begin()->second == &subject, "the earliest fires first");
        if (!broken_.empty()) return;
        model_.erase(subject.place);
        if (!ending_ && chance(4)) arm(subject);
        if (!ending_ && chance(4)) change_something();
        if (chance(8)) check_next();
    }

    void fire(instant now) {
        now_ = now;
        const std::size_t max = chance(2) ? 1 + random_() % 8 : 1000;
        fired_ = 0;
        const std::size_t count = wheel_->fire_due(now_, max);
        law(count == fired_, "fire_due returns how many fired");
        law(count <= max, "no more fire than allowed");
        law(count == max || model_.empty() || model_.begin()->first > now_, "what is due fires");
        law(wheel_->armed_count() == model_.size(), "armed_count counts");
        check_next();
    }

    void check_next() {
        const instant next = wheel_->next_deadline();
        law((next == instant_never) == model_.empty(), "next_deadline is never only when empty");
        if (model_.empty()) return;
        law(next <= model_.begin()->first, "next_deadline is not late");
        if (shape_.timers <= few)
            law(next == model_.begin()->first, "next_deadline is exact among few");
    }

    void sleep_and_fire() {
        const instant next = wheel_->next_deadline();
        if (next == instant_never) return;
        fire(std::max(now_, next));
        law(fired_ > 0 || wheel_->next_deadline() > next, "waking up brings something on");
    }

    std::mt19937_64 random_;
    schedule_shape shape_;
    instant now_ = 0;
    std::size_t fired_ = 0;
    bool ending_ = false;  // nothing more is armed
    std::string broken_;
    std::unique_ptr<rf::timer_wheel> wheel_;
    model model_;
    std::deque<probe> probes_;
};

void check_schedules(std::uint64_t seeds, const schedule_shape& shape) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const std::string broken = schedule(seed, shape).run();
        CAPTURE(seed);
        REQUIRE(broken == "");
    }
}

}  // namespace

TEST_CASE("timer_wheel: any schedule goes as in an ordered map, over nanoseconds to centuries") {
    check_schedules(2000, {});
}

TEST_CASE("timer_wheel: any schedule of a crowd goes as in an ordered map") {
    check_schedules(60, {.timers = 3000, .steps = 60, .reach_bits = 36});
    check_schedules(60, {.timers = 3000, .steps = 60, .reach_bits = 14});
}

TEST_CASE("timer_wheel: any schedule of few timers goes as in an ordered map") {
    check_schedules(2000, {.timers = few, .steps = 200, .reach_bits = 30});
}
