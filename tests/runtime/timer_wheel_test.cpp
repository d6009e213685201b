// SPDX-License-Identifier: MIT
#include <ringfence/runtime/timer_wheel.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <vector>

namespace {

using rf::instant;
using rf::instant_never;

constexpr instant millisecond = 1'000'000;
constexpr instant second = 1'000 * millisecond;
constexpr instant year = 365 * 24 * 3600 * second;
constexpr std::size_t all = 1'000'000'000;

/// Writes its name down when it fires, then does what it was told.
struct probe : rf::timer {
    explicit probe(std::vector<int>& written, int own_name = 0) : log(written), name(own_name) {
        on_fire = [](rf::timer& fired) noexcept {
            auto& self = static_cast<probe&>(fired);
            self.log.push_back(self.name);
            if (self.then) self.then();
        };
    }
    std::vector<int>& log;
    int name;
    std::function<void()> then;
};

using names = std::vector<int>;

/// Arms a probe for each deadline, named by its index.
std::deque<probe> armed_probes(rf::timer_wheel& wheel, names& log, const std::vector<instant>& at) {
    std::deque<probe> probes;
    for (const instant deadline : at) {
        probes.emplace_back(log, static_cast<int>(probes.size()));
        wheel.arm(probes.back(), deadline);
    }
    return probes;
}

/// The indices of `deadlines` in their order, equal ones in that of the indices.
names in_order(const std::vector<instant>& deadlines) {
    names expected(deadlines.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] = static_cast<int>(i);
    std::sort(expected.begin(), expected.end(), [&](int a, int b) {
        const instant first = deadlines[static_cast<std::size_t>(a)];
        const instant second_one = deadlines[static_cast<std::size_t>(b)];
        return first != second_one ? first < second_one : a < b;
    });
    return expected;
}

std::vector<instant> random_deadlines(std::size_t count, instant from, instant width) {
    std::mt19937_64 random(count);
    std::vector<instant> result(count);
    for (instant& deadline : result)
        deadline = from + static_cast<instant>(random() % static_cast<std::uint64_t>(width));
    return result;
}

}  // namespace

TEST_CASE("timer_wheel: a timer fires at its deadline and not a nanosecond before") {
    for (const instant deadline :
         {instant{1}, millisecond, millisecond + 1, second - 1, 90 * year}) {
        CAPTURE(deadline);
        names log;
        rf::timer_wheel wheel;
        probe before(log, 1), subject(log, 2);
        wheel.arm(subject, deadline);
        wheel.arm(before, deadline - 1);
        CHECK(wheel.fire_due(deadline - 1, all) == 1);
        CHECK(log == names{1});
        CHECK(subject.armed());
        CHECK(wheel.fire_due(deadline, all) == 1);
        CHECK(log == names{1, 2});
        CHECK_FALSE(subject.armed());
    }
}

TEST_CASE(
    "timer_wheel: timers fire in the order of deadline, inside a millisecond and across years") {
    for (const instant width : {instant{50}, millisecond, second, 100 * year}) {
        CAPTURE(width);
        names log;
        rf::timer_wheel wheel;
        const auto deadlines = random_deadlines(5000, 7 * second, width);
        auto probes = armed_probes(wheel, log, deadlines);
        CHECK(wheel.fire_due(200 * year, all) == probes.size());
        CHECK(log == in_order(deadlines));
    }
}

TEST_CASE("timer_wheel: timers of one deadline fire in the order of arming, armed near or far") {
    names log;
    rf::timer_wheel wheel;
    const instant deadline = year + 12'345;
    std::deque<probe> probes;
    int name = 0;
    for (instant left = year; left > 0; left /= 7) {
        wheel.fire_due(deadline - left, all);
        for (int i = 0; i < 3; ++i)
            wheel.arm(probes.emplace_back(log, name++), deadline);
    }
    wheel.fire_due(deadline, all);
    REQUIRE(log.size() == probes.size());
    CHECK(std::is_sorted(log.begin(), log.end()));
}

TEST_CASE(
    "timer_wheel: past deadlines fire at the next call, in their order and before the others") {
    names log;
    rf::timer_wheel wheel(year);
    auto deadlines = random_deadlines(3000, year - 1000, 2000);
    deadlines.insert(deadlines.end(), {0, -5, std::numeric_limits<instant>::min(), year, 0});
    auto probes = armed_probes(wheel, log, deadlines);
    CHECK(wheel.next_deadline() == std::numeric_limits<instant>::min());
    CHECK(wheel.fire_due(year + 2000, all) == deadlines.size());
    CHECK(log == in_order(deadlines));
}

TEST_CASE("timer_wheel: a clock may start below zero") {
    names log;
    rf::timer_wheel wheel(-100 * year);
    const auto deadlines = random_deadlines(1000, -90 * year, 180 * year);
    auto probes = armed_probes(wheel, log, deadlines);
    for (instant now = -100 * year; now < 100 * year; now += year) {
        wheel.fire_due(now, all);
        const auto due = [now](instant deadline) { return deadline <= now; };
        CHECK(static_cast<std::ptrdiff_t>(log.size()) ==
              std::count_if(deadlines.begin(), deadlines.end(), due));
    }
    CHECK(log == in_order(deadlines));
}

TEST_CASE("timer_wheel: a call fires at most so many, and the next goes on where it stopped") {
    names log;
    rf::timer_wheel wheel;
    const auto deadlines = random_deadlines(1000, 0, 30);
    auto probes = armed_probes(wheel, log, deadlines);
    CHECK(wheel.fire_due(second, 0) == 0);
    for (std::size_t fired = 0; fired < 1000; fired += 10) {
        REQUIRE(wheel.next_deadline() <= second);
        REQUIRE(wheel.fire_due(second, 10) == 10);
    }
    CHECK(wheel.fire_due(second, 10) == 0);
    CHECK(log == in_order(deadlines));
}

TEST_CASE("timer_wheel: a cancelled timer does not fire, and cancelling again changes nothing") {
    names log;
    rf::timer_wheel wheel;
    auto probes = armed_probes(wheel, log, {5, 5, 5, second, 90 * year});
    for (const std::size_t i : {1, 1, 3, 4}) {
        wheel.cancel(probes[i]);
        CHECK_FALSE(probes[i].armed());
    }
    CHECK(wheel.armed_count() == 2);
    CHECK(wheel.fire_due(instant_never, all) == 2);
    CHECK(log == names{0, 2});
    wheel.cancel(probes[0]);
    CHECK(wheel.armed_count() == 0);
}

TEST_CASE(
    "timer_wheel: a timer that fires may arm itself, arm and cancel others, and be destroyed") {
    names log;
    rf::timer_wheel wheel;
    auto brief = std::make_unique<probe>(log, 0);
    probe again(log, 1), late(log, 2), doomed(log, 3), last(log, 4);
    brief->then = [&] { brief.reset(); };
    again.then = [&] {
        if (log.size() < 5) wheel.arm(again, again.deadline() + 10);
        if (!late.armed() && log.size() == 2) wheel.arm(late, 7);  // before what has already fired
        wheel.cancel(doomed);
    };
    wheel.arm(*brief, 10);
    wheel.arm(again, 10);
    wheel.arm(doomed, 10);
    wheel.arm(last, 35);
    CHECK(wheel.fire_due(100, all) == 6);
    CHECK(log == names{0, 1, 2, 1, 1, 4});
    CHECK(brief == nullptr);
    CHECK(wheel.armed_count() == 0);
}

TEST_CASE("timer_wheel: next_deadline is exact among few timers and never when there is none") {
    names log;
    rf::timer_wheel wheel;
    CHECK(wheel.next_deadline() == instant_never);
    auto probes =
        armed_probes(wheel, log, {90 * year, 3 * second + 1, 3 * second, instant_never - 1});
    CHECK(wheel.next_deadline() == 3 * second);
    wheel.cancel(probes[2]);
    CHECK(wheel.next_deadline() == 3 * second + 1);
    CHECK(wheel.fire_due(3 * second + 1, all) == 1);
    CHECK(wheel.next_deadline() == 90 * year);
    wheel.cancel(probes[0]);
    CHECK(wheel.next_deadline() == instant_never - 1);
    wheel.cancel(probes[3]);
    CHECK(wheel.next_deadline() == instant_never);
}

TEST_CASE("timer_wheel: a crowd far ahead costs one early wake-up, a silence of a century none") {
    names log;
    rf::timer_wheel wheel;
    const instant deadline = 100 * year + 123'456'789;
    probe earlier(log);
    wheel.arm(earlier, 100 * year);
    auto crowd = armed_probes(wheel, log, std::vector<instant>(1000, deadline));
    wheel.cancel(earlier);
    std::size_t calls = 0;
    for (; wheel.armed_count() != 0; ++calls) {
        const instant next = wheel.next_deadline();
        REQUIRE(next <= deadline);
        wheel.fire_due(next, all);
    }
    CHECK(calls <= 2);
    wheel.arm(crowd[0], 250 * year);
    CHECK(wheel.fire_due(wheel.next_deadline(), all) == 1);
}

TEST_CASE("timer_wheel: a million timers come and go, or fire in order") {
    names log;
    rf::timer_wheel wheel;
    const auto deadlines = random_deadlines(1'000'000, 0, 600 * second);
    {
        auto probes = armed_probes(wheel, log, deadlines);
        CHECK(wheel.armed_count() == probes.size());
        for (probe& each : probes)
            wheel.cancel(each);
        CHECK(wheel.armed_count() == 0);
        CHECK(wheel.next_deadline() == instant_never);
    }
    auto probes = armed_probes(wheel, log, deadlines);
    for (instant now = 0; wheel.armed_count() != 0; now += second)
        while (wheel.fire_due(now, 256) == 256) {
        }
    CHECK(log == in_order(deadlines));
}
