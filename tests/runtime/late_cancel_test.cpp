// SPDX-License-Identifier: MIT
// What has happened has happened: a cancel that comes between the end of a wait and the waiter's
// next step takes nothing back, and one that comes before leaves no trace.
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/waiter.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <tests/support/run_sim.hpp>

using namespace std::chrono_literals;
using rf::test::run_sim;

namespace {

rf::task<> nap(std::chrono::milliseconds span) { co_await rf::sleep_for(span); }

/// Runs `wait` in a scope. `complete` brings the wait to its end; the cancel comes right after it,
/// or right before it if `early`, in the same step of another task. Returns whether `wait` went on.
rf::task<bool> race(std::function<rf::task<>()> wait, std::function<void()> complete, bool early) {
    rf::cancel_scope scope;
    bool went_on = false;
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> {
            const auto work = [&]() -> rf::task<> {
                co_await wait();
                went_on = true;
            };
            (void)co_await scope.run(work);
        });
        co_await rf::sleep_for(1ms);
        if (early) scope.cancel();
        complete();
        if (!early) scope.cancel();
    });
    co_return went_on;
}

/// A wait of the user's own: may be asked to end, and then says how that went.
class gate final : public rf::waiter {
public:
    explicit gate(rf::cancel_outcome answer) noexcept : answer_(answer) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept { (void)enter(); }
    void await_resume() const noexcept {}
    [[nodiscard]] rf::cancel_outcome cancel() noexcept override {
        ++asked;
        return answer_;
    }
    void describe(rf::wait_description& out) const override { out.what = "a gate"; }
    void open() noexcept { resume(); }
    void give_up() noexcept { unwind(); }
    int asked = 0;

private:
    rf::cancel_outcome answer_;
};

}  // namespace

TEST_CASE("late cancel: a result that a join_handle has brought is not taken back") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            // The child ends at 1 ms, just before the task that cancels wakes: it fell asleep
            // first.
            auto handle = jobs.async([]() -> rf::task<int> {
                co_await rf::sleep_for(1ms);
                co_return 5;
            });
            co_await rf::this_task::yield();
            std::optional<int> got;
            const auto wait = [&]() -> rf::task<> { got = co_await handle; };
            const bool went_on = co_await race(wait, [&] { CHECK(handle.ended()); }, false);
            CHECK(went_on);
            CHECK(got == 5);
        });
    });
}

TEST_CASE(
    "late cancel: a start that was said is not taken back, one unsaid takes the child along") {
    for (const bool early : {false, true}) {
        run_sim([early]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                std::function<void()> say;
                int port = 0;
                const auto wait = [&]() -> rf::task<> {
                    port = co_await jobs.start<int>([&say](rf::started<int> ready) -> rf::task<> {
                        say = [&ready] { ready(7000); };
                        co_await rf::sleep_for(10ms);
                    });
                };
                const bool went_on = co_await race(wait, [&] { say(); }, early);
                CHECK(went_on == !early);
                CHECK(port == (early ? 0 : 7000));
                CHECK(jobs.size() == (early ? 0 : 1));
            });
        });
    }
}

TEST_CASE("late cancel: a place that was given is used, and the child is there") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.limit = 1}, [](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(nap, 1ms);
            co_await rf::this_task::yield();
            const auto wait = [&]() -> rf::task<> { co_await jobs.spawn_when_free(nap, 10ms); };
            const auto placed = [&] { CHECK(jobs.statistics().started == 2); };
            const bool went_on = co_await race(wait, placed, false);
            CHECK(went_on);
            CHECK(jobs.size() == 1);
        });
    });
}

TEST_CASE("late cancel: a waiter that was resumed goes on, and unwinds at its next wait") {
    run_sim([]() -> rf::task<> {
        gate door(rf::cancel_outcome::removed);
        bool passed = false;
        const auto wait = [&]() -> rf::task<> {
            co_await door;
            passed = true;
            co_await rf::this_task::checkpoint();
        };
        const bool went_on = co_await race(wait, [&] { door.open(); }, false);
        CHECK(passed);
        CHECK_FALSE(went_on);
        CHECK(door.asked == 0);
    });
}

TEST_CASE("late cancel: a waiter that answers pending decides by itself how the wait ended") {
    for (const bool succeeds : {false, true}) {
        run_sim([succeeds]() -> rf::task<> {
            gate door(rf::cancel_outcome::pending);
            const auto complete = [&] { succeeds ? door.open() : door.give_up(); };
            const auto wait = [&]() -> rf::task<> { co_await door; };
            const bool went_on = co_await race(wait, complete, true);
            CHECK(went_on == succeeds);
            CHECK(door.asked == 1);
        });
    }
}

TEST_CASE("late cancel: a waiter that refuses is asked once and keeps its scope open") {
    run_sim([]() -> rf::task<> {
        gate door(rf::cancel_outcome::refused);
        const auto wait = [&]() -> rf::task<> { co_await door; };
        const bool went_on = co_await race(wait, [&] { door.open(); }, true);
        CHECK(went_on);
        CHECK(door.asked == 1);
    });
}

TEST_CASE("late cancel: an awaiter whose start cancels its own scope unwinds once") {
    struct cancels_at_start final : rf::waiter {
        explicit cancels_at_start(rf::cancel_scope& to) noexcept : scope(to) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) noexcept {
            if (enter()) scope.cancel();
        }
        void await_resume() const noexcept {}
        rf::cancel_outcome cancel() noexcept override { return rf::cancel_outcome::removed; }
        void describe(rf::wait_description&) const override {}
        rf::cancel_scope& scope;
    };
    run_sim([]() -> rf::task<> {
        rf::cancel_scope scope;
        const bool finished =
            co_await scope.run([&]() -> rf::task<> { co_await cancels_at_start(scope); });
        CHECK_FALSE(finished);
        co_await rf::sleep_for(1ms);
    });
}
