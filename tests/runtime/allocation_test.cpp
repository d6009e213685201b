// SPDX-License-Identifier: MIT
// Law 9: once its pools are warm, a loop allocates nothing for what programs do all the time.
#include "tests/support/allocations.hpp"
#include "tests/support/scripted_driver.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;

namespace {

/// Runs `once` until the pools are warm, and then a hundred times more. How often those allocated.
template <class Once>
rf::task<> repeat(Once once, std::uint64_t& allocated) {
    for (int i = 0; i < 100; ++i)
        co_await once();
    const std::uint64_t before = rf::test::allocations();
    for (int i = 0; i < 100; ++i)
        co_await once();
    allocated = rf::test::allocations() - before;
}

template <class Once>
void check_allocates_nothing(Once once) {
    rf::test::run_scripted([&]() -> rf::task<> {
        std::uint64_t allocated = 0;
        co_await repeat(once, allocated);
        CHECK(allocated == 0);
    });
}

rf::task<int> deeper(int depth) {
    if (depth == 0) co_return 0;
    const int below = co_await deeper(depth - 1);
    co_return below + 1;
}

rf::task<> nap(std::chrono::microseconds length) { co_await rf::sleep_for(length); }

}  // namespace

TEST_CASE("allocations: operator new is counted") {
    const std::uint64_t before = rf::test::allocations();
    ::operator delete(::operator new(16));
    CHECK(rf::test::allocations() - before == (rf::test::allocations_counted() ? 1 : 0));
}

TEST_CASE("allocations: awaiting, yielding and sleeping make none") {
    check_allocates_nothing([]() -> rf::task<> {
        const int depth = co_await deeper(10);
        CHECK(depth == 10);
        co_await rf::this_task::yield();
        co_await rf::sleep_for(10us);
    });
}

TEST_CASE("allocations: scopes, limits and cleanup make none, whether cancelled or not") {
    check_allocates_nothing([]() -> rf::task<> {
        (void)co_await rf::move_on_after(1ms, [] { return nap(10us); });
        (void)co_await rf::move_on_after(10us, [] { return nap(1ms); });
        (void)co_await rf::move_on_after(10us, rf::sleep_for(1ms));
        co_await rf::with_timeout(1ms, [] { return nap(10us); });
        co_await rf::shield(1ms, [] { return nap(10us); });
        co_await rf::finally([] { return nap(10us); }, [] { return nap(10us); });
        rf::cancel_scope scope;
        scope.cancel();
        (void)co_await scope.run([] { return nap(10us); });
    });
}

TEST_CASE("allocations: spawning and joining children make none") {
    check_allocates_nothing([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 20; ++i)
                jobs.spawn(nap, std::chrono::microseconds(i));
            co_await rf::sleep_for(5us);
        });
        co_await rf::with_nursery({.limit = 2}, [](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 6; ++i)
                co_await jobs.spawn_when_free(nap, std::chrono::microseconds(i));
            jobs.cancel();
        });
    });
}

TEST_CASE("allocations: ending services makes none") {
    check_allocates_nothing([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& children) -> rf::task<> {
            children.spawn_service(nap, 1h);
            children.spawn(nap, 10us);
            co_return;
        });
    });
}
