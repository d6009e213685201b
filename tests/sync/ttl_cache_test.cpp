// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/ttl_cache.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::ttl_cache;
using rf::test::run_sim;

TEST_CASE("ttl_cache: an entry dies on time, whether anybody looks or not") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, std::shared_ptr<int>> cache({.ttl = 10ms, .size_max = 10});
        auto value = std::make_shared<int>(1);
        const std::weak_ptr<int> watched = value;
        cache.put(1, std::move(value));
        co_await rf::sleep_for(5ms);
        cache.put(2, nullptr);
        co_await rf::sleep_for(4ms);
        CHECK(cache.find(1) != nullptr);
        co_await rf::sleep_for(1ms);
        CHECK(cache.find(1) == nullptr);
        CHECK(watched.expired());
        CHECK(cache.size() == 1);
        co_await rf::sleep_for(5ms);
        CHECK(cache.size() == 0);
        CHECK(cache.statistics().expired == 2);
        CHECK(cache.statistics().hits == 1);
        CHECK(cache.statistics().misses == 1);
        CHECK(rf::loop::here().timers().armed_count() == 0);
    });
}

TEST_CASE("ttl_cache: a million rewrites leave one timer, which goes with the last entry") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 10ms, .size_max = 100});
        for (int i = 0; i < 1'000'000; ++i)
            cache.put(i % 50, i);
        CHECK(rf::loop::here().timers().armed_count() == 1);
        CHECK(cache.size() == 50);
        for (int i = 0; i < 50; ++i)
            CHECK(cache.erase(i));
        CHECK(!cache.erase(0));
        CHECK(rf::loop::here().timers().armed_count() == 0);
        co_return;
    });
}

TEST_CASE("ttl_cache: a rewritten entry lives anew") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 10ms, .size_max = 10});
        cache.put(1, 1);
        co_await rf::sleep_for(8ms);
        cache.put(1, 2);
        co_await rf::sleep_for(8ms);
        CHECK(*cache.find(1) == 2);
        co_await rf::sleep_for(2ms);
        CHECK(cache.size() == 0);
    });
}

TEST_CASE("ttl_cache: what was used longest ago makes room") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 1s, .size_max = 2});
        cache.put(1, 1);
        cache.put(2, 2);
        CHECK(cache.find(1) != nullptr);
        cache.put(3, 3);
        CHECK(cache.find(2) == nullptr);
        CHECK(cache.find(1) != nullptr);
        CHECK(cache.find(3) != nullptr);
        CHECK(cache.statistics().evictions == 1);
        cache.clear();
        CHECK(cache.size() == 0);
        co_return;
    });
}

TEST_CASE("ttl_cache: callers that come together share one load") {
    run_sim([]() -> rf::task<> {
        ttl_cache<std::string, int> cache({.ttl = 1s, .size_max = 10});
        int loads = 0;
        std::vector<int> got;
        auto load = [&](const std::string& key) -> rf::task<int> {
            ++loads;
            co_await rf::sleep_for(5ms);
            co_return static_cast<int>(key.size());
        };
        auto ask = [&]() -> rf::task<> {
            const int value = co_await cache.get("seven77", load);
            got.push_back(value);
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 5; ++i)
                all.spawn(ask);
            co_await rf::sleep_for(1ms);
            CHECK(cache.statistics().loading == 1);
            CHECK(cache.statistics().waiting == 4);
        });
        co_await ask();
        CHECK(loads == 1);
        CHECK(got == std::vector{7, 7, 7, 7, 7, 7});
        CHECK(cache.statistics().shared == 4);
        CHECK(cache.statistics().hits == 1);
    });
}

TEST_CASE("ttl_cache: when the task that loads is cancelled, another takes over") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 1s, .size_max = 10});
        rf::cancel_scope first;
        rf::cancel_scope second;
        int loads = 0;
        int got = 0;
        auto load = [&](int) -> rf::task<int> {
            const int number = ++loads;
            co_await rf::sleep_for(5ms);
            co_return number;
        };
        auto ask = [&]() -> rf::task<> { got = co_await cache.get(1, load); };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { (void)co_await first.run(ask()); });
            all.spawn([&]() -> rf::task<> { (void)co_await second.run(ask()); });
            all.spawn(ask);
            co_await rf::sleep_for(1ms);
            first.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(loads == 2);
            second.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(loads == 3);
        });
        CHECK(got == 3);
        CHECK(*cache.find(1) == 3);
        CHECK(cache.statistics().takeovers == 2);
        CHECK(cache.statistics().loading == 0);
    });
}

TEST_CASE("ttl_cache: told to take over and cancelled in the same turn, the next one does") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 1s, .size_max = 10});
        rf::cancel_scope first;
        rf::cancel_scope second;
        int got = 0;
        auto load = [&](int) -> rf::task<int> {
            co_await rf::sleep_for(5ms);
            co_return 9;
        };
        auto ask = [&]() -> rf::task<> { got = co_await cache.get(1, load); };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { (void)co_await first.run(ask()); });
            all.spawn([&]() -> rf::task<> { (void)co_await second.run(ask()); });
            all.spawn(ask);
            co_await rf::sleep_for(1ms);
            first.cancel();
            second.cancel();
        });
        CHECK(got == 9);
    });
}

TEST_CASE("ttl_cache: what is put while a load is under way is not overwritten by it") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 1s, .size_max = 10});
        auto load = [&](int) -> rf::task<int> {
            co_await rf::sleep_for(5ms);
            co_return 1;
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                const int loaded = co_await cache.get(1, load);
                CHECK(loaded == 1);
            });
            co_await rf::sleep_for(1ms);
            cache.put(1, 2);
        });
        CHECK(*cache.find(1) == 2);
    });
}

TEST_CASE("ttl_cache: who asks after an erase does not get what was being loaded before it") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 1s, .size_max = 10});
        int loads = 0;
        auto load = [&](int) -> rf::task<int> {
            const int number = ++loads;
            co_await rf::sleep_for(5ms);
            co_return number;
        };
        int before = 0;
        int after = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { before = co_await cache.get(1, load); });
            co_await rf::sleep_for(1ms);
            CHECK(!cache.erase(1));
            all.spawn([&]() -> rf::task<> { after = co_await cache.get(1, load); });
            co_return;
        });
        CHECK(before == 1);
        CHECK(after == 2);
        CHECK(*cache.find(1) == 2);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("ttl_cache: a failed load fails for all who share it, and is not kept") {
    run_sim([]() -> rf::task<> {
        ttl_cache<int, int> cache({.ttl = 1s, .size_max = 10});
        int failed = 0;
        bool broken = true;
        auto load = [&](int) -> rf::task<int> {
            co_await rf::sleep_for(5ms);
            if (broken) throw std::runtime_error("down");
            co_return 1;
        };
        auto ask = [&]() -> rf::task<> {
            try {
                (void)co_await cache.get(1, load);
            } catch (const std::runtime_error&) {
                ++failed;
            }
        };
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(ask);
            all.spawn(ask);
            co_return;
        });
        CHECK(failed == 2);
        CHECK(cache.size() == 0);
        broken = false;
        const int got = co_await cache.get(1, load);
        CHECK(got == 1);
        CHECK(cache.statistics().loads == 2);
    });
}

TEST_CASE("ttl_cache: bad numbers are refused") {
    using cache = ttl_cache<int, int>;
    CHECK_THROWS_WITH_AS(cache({.ttl = 0s, .size_max = 1}), doctest::Contains("time to live of 0"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(cache({.ttl = 1s, .size_max = 0}), doctest::Contains("size_max of 0"),
                         std::invalid_argument);
}
#endif
