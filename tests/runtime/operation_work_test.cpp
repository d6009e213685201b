// SPDX-License-Identifier: MIT
// A callable may return an operation wherever it may return a task.
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/for_each_concurrent.hpp>
#include <ringfence/runtime/race.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/until_drained.hpp>
#include <ringfence/runtime/when_all.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <tests/support/run_sim.hpp>
#include <tuple>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::test::run_sim;

namespace {

/// An operation with a value: done after `span`. Neither copied nor moved, as one that the kernel
/// knows the address of.
class delivery final : public rf::waiter {
public:
    delivery(int value, std::chrono::milliseconds span) noexcept : value_(value), span_(span) {
        timer_.owner = this;
        timer_.on_fire = [](rf::timer& fired) noexcept {
            static_cast<owned_timer&>(fired).owner->resume();
        };
    }
    delivery(delivery&&) = delete;

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (!enter()) return;
        rf::loop& here = rf::loop::here();
        here.timers().arm(timer_, here.now() + rf::detail::to_nanoseconds(span_));
    }
    int await_resume() const {
#if RF_EXCEPTIONS
        if (value_ < 0) throw std::out_of_range("a negative delivery");
#endif
        return value_;
    }
    rf::cancel_outcome cancel() noexcept override {
        rf::loop::here().timers().cancel(timer_);
        return rf::cancel_outcome::removed;
    }
    void describe(rf::wait_description& out) const override { out.what = "a delivery"; }

private:
    struct owned_timer : rf::timer {
        delivery* owner = nullptr;
    };
    int value_;
    std::chrono::milliseconds span_;
    owned_timer timer_;
};

struct plain {
    bool await_ready() { return true; }
    void await_suspend(std::coroutine_handle<>) {}
    int await_resume() { return 21; }
};

}  // namespace

TEST_CASE("timeout: takes a callable that returns an operation, and cancels the operation") {
    run_sim([]() -> rf::task<> {
        const int kept = 3;
        const int value = co_await rf::with_timeout(1s, [&] { return delivery(kept, 5ms); });
        CHECK(value == 3);

        const auto in_time = co_await rf::move_on_after(10ms, [&] { return delivery(4, 5ms); });
        CHECK(in_time == 4);
        const auto begin = rf::clock::now();
        const auto too_late = co_await rf::move_on_after(10ms, [&] { return delivery(4, 1s); });
        CHECK_FALSE(too_late);
        CHECK(rf::clock::now() - begin == 10ms);

        co_await rf::shield(1s, [] { return rf::sleep_for(1ms); });
        const int foreign = co_await rf::with_timeout(1s, [] { return plain(); });
        CHECK(foreign == 21);
        const auto drained = co_await rf::until_drained([] { return delivery(5, 1ms); });
        CHECK(drained == 5);
    });
}

TEST_CASE("scope: takes a callable that returns an operation, by value or once") {
    run_sim([]() -> rf::task<> {
        rf::cancel_scope scope;
        auto owned = std::make_unique<int>(6);
        auto once = [owned = std::move(owned)] { return delivery(*owned, 1ms); };
        const auto value = co_await scope.run(std::move(once));
        CHECK(value == 6);
    });
}

TEST_CASE("finally: body and cleanup may be callables that return an operation") {
    run_sim([]() -> rf::task<> {
        const auto begin = rf::clock::now();
        const int value = co_await rf::finally([] { return delivery(7, 2ms); },
                                               [] { return rf::sleep_for(3ms); });
        CHECK(value == 7);
        CHECK(rf::clock::now() - begin == 5ms);
    });
}

TEST_CASE("when_all: takes callables that return an operation") {
    run_sim([]() -> rf::task<> {
        const auto begin = rf::clock::now();
        auto all = co_await rf::when_all([] { return delivery(1, 3ms); },
                                         [] { return rf::sleep_for(2ms); });
        CHECK(std::get<0>(all) == 1);
        CHECK(rf::clock::now() - begin == 3ms);

        auto make = [](int value) { return [value] { return delivery(value, 1ms); }; };
        std::vector<decltype(make(0))> many;
        many.push_back(make(1));
        many.push_back(make(2));
        const std::vector<int> values = co_await rf::when_all(std::move(many));
        CHECK(values == std::vector{1, 2});
    });
}

TEST_CASE("race: takes callables that return an operation, and cancels the slower one") {
    run_sim([]() -> rf::task<> {
        const auto begin = rf::clock::now();
        const auto won =
            co_await rf::race([] { return delivery(1, 1h); }, [] { return delivery(2, 4ms); });
        CHECK(won.index() == 1);
        CHECK(std::get<1>(won) == 2);
        CHECK(rf::clock::now() - begin == 4ms);
    });
}

TEST_CASE("nursery: children may be functions that return an operation") {
    run_sim([]() -> rf::task<> {
        const auto begin = rf::clock::now();
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([] { return rf::sleep_for(9ms); });
            jobs.spawn(
                [](int value, std::chrono::milliseconds span) { return delivery(value, span); }, 1,
                2ms);
            jobs.spawn_service([] { return rf::sleep_forever(); });
            co_await jobs.spawn_when_free([] { return delivery(2, 1ms); });
            auto handle =
                jobs.async([kept = std::make_unique<int>(8)] { return delivery(*kept, 3ms); });
            const int value = co_await handle;
            CHECK(value == 8);
        });
        CHECK(rf::clock::now() - begin == 9ms);
    });
}

TEST_CASE("nursery: a cancel reaches the operation that a child's function has returned") {
    run_sim([]() -> rf::task<> {
        const auto begin = rf::clock::now();
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([] { return delivery(1, 1h); });
            co_await rf::sleep_for(1ms);
            jobs.cancel();
        });
        CHECK(rf::clock::now() - begin == 1ms);
    });
}

TEST_CASE("for_each_concurrent: the function may return an operation") {
    run_sim([]() -> rf::task<> {
        const std::vector<int> items{1, 2, 3, 4};
        const auto begin = rf::clock::now();
        co_await rf::for_each_concurrent(items, 2, [](int item) { return delivery(item, 5ms); });
        CHECK(rf::clock::now() - begin == 10ms);
        const std::vector<int> same =
            co_await rf::map_concurrent(items, 4, [](int item) { return delivery(item, 5ms); });
        CHECK(same == items);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("nursery: what an operation throws is the failure of the child that awaits it") {
    bool caught = false;
    run_sim([&]() -> rf::task<> {
        try {
            co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn([] { return delivery(-1, 1ms); });
                co_await rf::sleep_forever();
            });
        } catch (const std::out_of_range&) {
            caught = true;
        }
    });
    CHECK(caught);
}
#endif
