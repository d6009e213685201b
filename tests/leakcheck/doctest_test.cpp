// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/doctest.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/mutex.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;

namespace {

rf::task<> lock_for_a_second(rf::sync::mutex& lock, int& done) {
    auto held = co_await lock.lock();
    co_await rf::sleep_for(1s);
    ++done;
}

rf::leakcheck::bubble_options exploring() {
    rf::leakcheck::bubble_options options;
    options.explore = rf::leakcheck::explore::random;
    options.budget.runs = 20;
    return options;
}

int explored = 0;

}  // namespace

RF_TEST("RF_TEST: a test case may be a coroutine, in virtual time") {
    const auto before = rf::clock::now();
    co_await rf::sleep_for(48h);
    CHECK(rf::clock::now() - before == 48h);
}

RF_TEST_EXPLORE("RF_TEST: schedules may be explored", exploring()) {
    rf::sync::mutex lock;
    int done = 0;
    ++explored;
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        for (int i = 0; i < 3; ++i)
            jobs.spawn(lock_for_a_second, std::ref(lock), std::ref(done));
        co_return;
    });
    CHECK(done == 3);
}

TEST_CASE("RF_TEST: the budget of an exploration was used") { CHECK(explored >= 1); }
