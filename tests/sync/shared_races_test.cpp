// SPDX-License-Identifier: MIT
// What goes from shard to shard, in many orders: waits on both sides, and cancels that cross them.
#include "tests/support/run_sim.hpp"
#include "tests/support/virtual_shards.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/shared_channel.hpp>
#include <ringfence/sync/shared_event.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

using rf::sync::shared_channel;
using rf::sync::shared_event;
using rf::test::yield_times;

namespace {

using value = std::unique_ptr<int>;

constexpr std::uint32_t shard_count = 2;

/// Does `work()` for so many yields, then cancels it.
template <class Work>
rf::task<> cancel_after(std::uint64_t yields, Work& work) {
    rf::cancel_scope scope;
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> { (void)co_await scope.run(work()); });
        co_await yield_times(yields);
        scope.cancel();
    });
}

/// Tasks of all shards that send to and receive from one channel, cancelled again and again.
struct exchange {
    static constexpr int senders_each = 3;  // on each shard
    static constexpr int receivers_each = 2;
    static constexpr int items_each = 4;  // of each sender

    explicit exchange(std::uint64_t seed) : random(seed) {}

    std::mt19937_64 random;
    std::vector<int> sent;
    std::vector<int> received;
    int senders_left = static_cast<int>(shard_count) * senders_each;
    int sends_cancelled = 0;
    int receives_cancelled = 0;
    int crossed = 0;  // received on another shard than their sender's

    static int shard_of(int number) { return number / (senders_each * items_each); }

    rf::task<> send_some(shared_channel<value>& to, int first) {
        for (int number = first; number < first + items_each; ++number) {
            value mine = std::make_unique<int>(number);
            auto send = [&]() -> rf::task<> { co_await to.send(std::move(mine)); };
            co_await cancel_after(random() % 6, send);
            if (mine == nullptr)
                sent.push_back(number);
            else
                ++sends_cancelled;
        }
        if (--senders_left == 0) to.close();
    }

    rf::task<> receive_until_closed(shared_channel<value>& from, int here) {
        for (bool closed = false; !closed;) {
            bool ended = false;
            auto receive = [&]() -> rf::task<> {
                std::optional<value> got = co_await from.receive();
                ended = true;
                closed = !got.has_value();
                if (closed) co_return;
                received.push_back(**got);
                if (shard_of(**got) != here) ++crossed;
            };
            co_await cancel_after(random() % 8, receive);
            if (!ended) ++receives_cancelled;
        }
    }

    rf::task<> run(shared_channel<value>& items, int here) {
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < senders_each; ++i)
                all.spawn(
                    [&, i] { return send_some(items, (here * senders_each + i) * items_each); });
            for (int i = 0; i < receivers_each; ++i)
                all.spawn([&] { return receive_until_closed(items, here); });
            co_return;
        });
    }
};

}  // namespace

TEST_CASE("shared_channel: between shards every item is received once, whoever is cancelled") {
    int sends_cancelled = 0;
    int receives_cancelled = 0;
    int crossed = 0;
    rf::test::for_seeds(300, [&](std::uint64_t seed) {
        shared_channel<value> items(1 + seed % 3);
        exchange all(seed);
        const auto report = rf::test::explore(
            seed, shard_count, [items, &all](rf::shard here) mutable -> rf::task<> {
                co_await all.run(items, static_cast<int>(here.index()));
            });
        CHECK(report.whole.status == 0);
        const auto left = items.statistics();
        CHECK(left.sent == all.sent.size());
        CHECK(left.items == 0);
        CHECK(left.senders == 0);
        CHECK(left.receivers == 0);
        CHECK(left.handles == 1);
        std::ranges::sort(all.sent);
        std::ranges::sort(all.received);
        CHECK(all.received == all.sent);
        sends_cancelled += all.sends_cancelled;
        receives_cancelled += all.receives_cancelled;
        crossed += all.crossed;
    });
    MESSAGE(sends_cancelled << " sends and " << receives_cancelled << " receives cancelled, "
                            << crossed << " items crossed");
    if (std::getenv("RF_TEST_SEED") == nullptr) {
        CHECK(sends_cancelled > 100);
        CHECK(receives_cancelled > 100);
        CHECK(crossed > 100);
    }
}

TEST_CASE("shared_event: between shards set lets through all who wait and are not cancelled") {
    constexpr int each = 2;  // of either kind, on each shard
    int passed_in_time = 0;
    int cancelled = 0;
    rf::test::for_seeds(300, [&](std::uint64_t seed) {
        shared_event go;
        std::mt19937_64 random(seed);
        std::size_t alive = std::size_t{shard_count} * each * 2;
        int patient_passed = 0;
        auto program = [&, go](rf::shard here) mutable -> rf::task<> {
            auto patient = [&]() -> rf::task<> {
                co_await go.wait();
                ++patient_passed;
                --alive;
            };
            auto hasty = [&]() -> rf::task<> {
                bool passed = false;
                auto wait = [&]() -> rf::task<> {
                    co_await go.wait();
                    passed = true;
                };
                co_await cancel_after(random() % 8, wait);
                ++(passed ? passed_in_time : cancelled);
                --alive;
            };
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                for (int i = 0; i < each; ++i) {
                    all.spawn([&] { return patient(); });
                    all.spawn([&] { return hasty(); });
                }
                if (here.index() != 0) co_return;
                while (go.statistics().waiting != alive)
                    co_await rf::this_task::yield();
                // The only time: who is not let through now waits for ever.
                go.set();
                go.reset();
            });
        };
        const auto report = rf::test::explore(seed, shard_count, program);
        CHECK(report.whole.status == 0);
        CHECK(patient_passed == static_cast<int>(shard_count) * each);
        const auto left = go.statistics();
        CHECK(left.waiting == 0);
        CHECK(left.sets == 1);
    });
    MESSAGE(passed_in_time << " passed before their cancel, " << cancelled << " did not");
    if (std::getenv("RF_TEST_SEED") == nullptr) {
        CHECK(passed_in_time > 100);
        CHECK(cancelled > 100);
    }
}
