// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/stall_watch.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using rf::leakcheck::detail::stall_watch;
using answer = stall_watch::answer;

namespace {

/// Looks at a beat every period, as the detector's thread does.
struct looker {
    stall_watch watch{25ms, 5};
    std::chrono::nanoseconds now = 1h;

    answer look(std::uint64_t beat) {
        now += watch.period();
        return watch.look(beat, now.count());
    }
    /// The same beat for `span`. Returns how many stalls that was told to be.
    int hold(std::uint64_t beat, std::chrono::nanoseconds span, answer what = answer::stall) {
        int told = 0;
        for (const auto end = now + span; now < end;)
            told += look(beat) == what ? 1 : 0;
        return told;
    }
};

}  // namespace

TEST_CASE("stall_watch: a task that holds the loop for longer than the threshold is told once") {
    looker eye;
    CHECK(eye.look(1) == answer::fine);
    CHECK(eye.look(2) == answer::begins);
    CHECK(eye.hold(2, 20ms) == 0);
    CHECK(eye.look(2) == answer::stall);
    CHECK(eye.watch.lasted(eye.now.count()) == 25ms);
    CHECK(eye.hold(2, 10s) == 0);
    CHECK(eye.hold(4, 1s) == 1);
}

TEST_CASE("stall_watch: a stall of a quarter over the threshold is found wherever it begins") {
    for (auto offset = 0us; offset < 5ms; offset += 100us) {
        looker eye;
        const auto begins = eye.now + eye.watch.period() + offset;
        int told = 0;
        while (eye.now < begins + 60ms) {
            const bool held = eye.now + eye.watch.period() >= begins &&
                              eye.now + eye.watch.period() < begins + 31'250us;
            told += eye.look(held ? 2 : 1) == answer::stall ? 1 : 0;
        }
        CHECK(told == 1);
    }
}

TEST_CASE("stall_watch: neither an idle loop nor a busy one is a stall") {
    looker eye;
    CHECK(eye.hold(1, 10min) == 0);
    std::uint64_t beat = 0;
    for (const auto end = eye.now + 10min; eye.now < end;)
        CHECK(eye.look(beat += 2) == answer::begins);
    // The same task, resumed over and over, is another beat each time.
    CHECK(eye.hold(beat + 1, 10min) == 0);
}

TEST_CASE("stall_watch: reports are limited, stalls beyond the limit are counted") {
    looker eye;
    int told = 0, suppressed = 0;
    for (std::uint64_t stall = 1; stall <= 20; ++stall) {
        for (const auto end = eye.now + 40ms; eye.now < end;) {
            const answer what = eye.look(stall * 2);
            told += what == answer::stall ? 1 : 0;
            suppressed += what == answer::suppressed ? 1 : 0;
        }
    }
    CHECK(told == 5);
    CHECK(suppressed == 15);
    CHECK(eye.hold(1, 1min) == 0);
    CHECK(eye.hold(1000, 30ms) == 1);
}

TEST_CASE("stall_watch: time in which the machine ran others is taken off") {
    looker eye;
    CHECK(eye.look(2) == answer::begins);
    CHECK(eye.hold(2, 25ms) == 1);
    CHECK(eye.watch.take_off(20ms, eye.now.count()));
    CHECK(eye.hold(2, 15ms) == 0);
    CHECK(eye.look(2) == answer::stall);
    CHECK(eye.watch.lasted(eye.now.count()) == 25ms);
    CHECK(!eye.watch.take_off(0ms, eye.now.count()));
    CHECK(eye.hold(2, 1s) == 0);
}

TEST_CASE("stall_watch: when the process has stood still, nobody is blamed for it") {
    looker eye;
    CHECK(eye.look(2) == answer::begins);
    eye.now += 10s;
    CHECK(eye.look(2) == answer::fine);
    CHECK(eye.look(2) == answer::stall);
    CHECK(eye.watch.lasted(eye.now.count()) == 25ms);
}

TEST_CASE("stall_watch: what a late look has not counted is not taken off once more") {
    looker eye;
    CHECK(eye.look(2) == answer::begins);
    eye.now += 35ms;  // the look comes 20 ms later than four periods, for others ran
    CHECK(eye.look(2) == answer::fine);
    CHECK(eye.look(2) == answer::stall);
    CHECK(!eye.watch.take_off(20ms, eye.now.count()));
    CHECK(eye.watch.lasted(eye.now.count()) == 25ms);
}

TEST_CASE("stall_watch: more cannot be taken off than there was") {
    looker eye;
    CHECK(eye.look(2) == answer::begins);
    CHECK(eye.hold(2, 25ms) == 1);
    CHECK(eye.watch.take_off(1h, eye.now.count()));
    CHECK(eye.watch.lasted(eye.now.count()) == 0ms);
    CHECK(eye.hold(2, 20ms) == 0);
    CHECK(eye.look(2) == answer::stall);
}
