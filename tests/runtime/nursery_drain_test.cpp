// SPDX-License-Identifier: MIT
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <latch>
#include <string>
#include <tests/support/death.hpp>
#include <tests/support/run_sim.hpp>

using namespace std::chrono_literals;
using rf::test::run_sim;
using rf::test::stopwatch;

namespace {

rf::task<> polite(int& ended) {
    co_await rf::this_task::wait_draining();
    co_await rf::sleep_for(2ms);
    ++ended;
}
rf::task<> stubborn() {
    rf::this_task::set_name("stubborn");
    co_await rf::sleep_forever();
}

}  // namespace

TEST_CASE("drain: whoever listens ends what it is at, and nobody is cancelled") {
    int ended = 0;
    run_sim([&]() -> rf::task<> {
        stopwatch watch;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(polite, std::ref(ended));
            jobs.spawn(polite, std::ref(ended));
            co_await rf::sleep_for(1ms);
            CHECK_FALSE(jobs.draining());
            jobs.drain(1s);
            jobs.drain(1s);
            CHECK(jobs.draining());
            CHECK_FALSE(jobs.cancelled());
        });
        CHECK(watch.elapsed() == 3ms);
        CHECK(rf::loop::here().account().timers == 0);
    });
    CHECK(ended == 2);
}

TEST_CASE("drain: begins with what was started since, too") {
    int ended = 0;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                co_await rf::sleep_for(2ms);
                // Opened after the drain began: it is draining from the start.
                co_await rf::with_nursery([&](rf::nursery& inner) -> rf::task<> {
                    CHECK(inner.draining());
                    co_await rf::this_task::wait_draining();
                    ++ended;
                });
            });
            jobs.drain(1s);
            co_return;
        });
    });
    CHECK(ended == 1);
}

TEST_CASE("drain: an empty nursery with its body over ends at once") {
    run_sim([]() -> rf::task<> {
        stopwatch watch;
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.drain(1h);
            co_return;
        });
        CHECK(watch.elapsed() == 0ms);
    });
}

TEST_CASE("drain: after the grace period the rest is cancelled, and standard error names it") {
    const rf::test::death end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            stopwatch watch;
            co_await rf::with_nursery({.name = "pool"}, [&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(stubborn);
                jobs.drain(50ms);
                co_return;
            });
            if (watch.elapsed() != 50ms) std::abort();
        });
    });
    CHECK(end.status == 0);
    CHECK(end.says("the grace period of a drain has passed; still running, and cancelled now:"));
    CHECK(end.says("nursery \"pool\""));
    CHECK(end.says("\"stubborn\": sleep for sleep without end, 50 ms"));
    CHECK(end.says("nursery_drain_test.cpp:"));
}

TEST_CASE("drain: a call on another thread that does not end is named") {
    const rf::test::death end = rf::test::run_to_death([] {
        std::latch begun(1);
        std::latch release(1);
        const auto work = [&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn([&]() -> rf::task<> {
                    co_await rf::offload("slow lookup", [&] {
                        begun.count_down();
                        release.wait();
                    });
                });
                // The call cannot be cancelled. It ends when the cancel has come, and not before.
                jobs.spawn([&]() -> rf::task<> {
                    const rf::scope_exit on_cancel([&] { release.count_down(); });
                    co_await rf::sleep_forever();
                });
                co_await rf::this_task::yield();
                begun.wait();
                jobs.drain(1ms);
            });
        };
        const int status = rf::run(work);
        if (status != 0) std::abort();
    });
    CHECK(end.status == 0);
    CHECK(end.says("the grace period of a drain has passed; still running, and cancelled now:"));
    CHECK_MESSAGE(end.says("slow lookup"), end.said);
}

TEST_CASE("drain: try_spawn tells that it is closed") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.drain(1s);
            CHECK_FALSE(jobs.try_spawn(stubborn));
            co_return;
        });
    });
}

#if RF_EXCEPTIONS
TEST_CASE("drain: spawning throws nursery_closed, which says what to do") {
    int refused = 0;
    std::string text;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.drain(1s);
            try {
                jobs.spawn(stubborn);
            } catch (const rf::nursery_closed& closed) {
                text = closed.what();
                ++refused;
            }
            try {
                jobs.spawn_service(stubborn);
            } catch (const rf::nursery_closed&) {
                ++refused;
            }
            try {
                (void)jobs.async(stubborn);
            } catch (const rf::nursery_closed&) {
                ++refused;
            }
            try {
                co_await jobs.start([](rf::started<>) -> rf::task<> { co_return; });
            } catch (const rf::nursery_closed&) {
                ++refused;
            }
            try {
                co_await jobs.spawn_when_free(stubborn);
            } catch (const rf::nursery_closed&) {
                ++refused;
            }
        });
    });
    CHECK(refused == 5);
    CHECK(text.find("a nursery that is draining (opened at ") != text.npos);
    CHECK(text.find("it takes no new children; ask draining() first") != text.npos);
}
#endif
