// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/shared_channel.hpp>
#include <ringfence/sync/shared_event.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::shared_channel;
using rf::sync::shared_event;

namespace {

constexpr long items_each = 2000;

rf::task<> send_all(shared_channel<long> to, long from, long count) {
    for (long i = 0; i < count; ++i)
        co_await to.send(from + i);
}

rf::task<> receive_all(shared_channel<long> from, long& sum, long& count) {
    while (auto item = co_await from.receive()) {
        sum += *item;
        ++count;
    }
}

}  // namespace

TEST_SUITE("shared threads") {
    TEST_CASE("shared_channel: every item sent on some loops is received once on others") {
        shared_channel<long> items(8);
        std::atomic<int> senders{2};
        long sums[2] = {};
        long counts[2] = {};
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 2; ++i) {
                threads.emplace_back([items, i, &senders]() mutable {
                    const auto report = rf::run_and_report(
                        [&] { return send_all(items, i * items_each, items_each); });
                    CHECK(report.status == 0);
                    if (--senders == 0) items.close();
                });
                threads.emplace_back([items, i, &sums, &counts] {
                    const auto report = rf::run_and_report([&]() -> rf::task<> {
                        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                            both.spawn(receive_all, items, std::ref(sums[i]), std::ref(counts[i]));
                            both.spawn(receive_all, items, std::ref(sums[i]), std::ref(counts[i]));
                            co_return;
                        });
                    });
                    CHECK(report.status == 0);
                });
            }
        }
        CHECK(counts[0] + counts[1] == 2 * items_each);
        CHECK(sums[0] + sums[1] == 2 * items_each * (2 * items_each - 1) / 2);
        CHECK(items.statistics().handles == 1);
    }

    TEST_CASE("shared_channel: batches go from loop to loop in order") {
        shared_channel<long> items(512);
        std::jthread other([items]() mutable {
            const auto report = rf::run_and_report([&]() -> rf::task<> {
                std::vector<long> batch(100);
                for (long first = 0; first < 20'000; first += 100) {
                    std::iota(batch.begin(), batch.end(), first);
                    std::span<long> rest(batch);
                    while (!rest.empty()) {
                        const std::size_t sent = co_await items.send_many(rest);
                        rest = rest.subspan(sent);
                    }
                }
                items.close();
            });
            CHECK(report.status == 0);
        });
        long expected = 0;
        bool in_order = true;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            std::vector<long> got;
            for (std::size_t more = 1; more != 0;) {
                got.clear();
                more = co_await items.receive_many(got, 300);
                for (const long item : got)
                    in_order = in_order && item == expected++;
            }
        });
        CHECK(report.status == 0);
        CHECK(in_order);
        CHECK(expected == 20'000);
    }

    TEST_CASE("shared_channel: plain threads block on both sides, for a limited time") {
        shared_channel<int> there(1);
        shared_channel<int> back(1);
        std::jthread other([there, back]() mutable {
            shared_channel<int> silent(1);
            CHECK(silent.receive_blocking(0ms).error().code() == ETIMEDOUT);
            for (;;) {
                auto got = there.receive_blocking(60s);
                if (!got.value()) break;
                CHECK(back.send_blocking(std::move(**got), 60s));
            }
            int value = 1;
            CHECK(back.send_blocking(std::move(value), 60s));
            CHECK(back.send_blocking(std::move(value), 0ms).error().code() == ETIMEDOUT);
            back.close();
            CHECK(back.send_blocking(std::move(value), 60s).error().code() == EPIPE);
        });
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            for (int i = 0; i < 200; ++i) {
                co_await there.send(i);
                auto got = co_await back.receive();
                CHECK(got == i);
            }
            there.close();
        });
        CHECK(report.status == 0);
    }

    TEST_CASE("shared_channel: a cancel that meets an item loses none") {
        constexpr int rounds = 300;
        shared_channel<int> items(4);
        // One item in each round, sent as soon as the round is called out.
        std::atomic<int> called{-1};
        std::jthread other([items, &called]() mutable {
            for (int round = 0; round < rounds; ++round) {
                called.wait(round - 1, std::memory_order_acquire);
                CHECK(items.try_send(int{round}));
            }
        });
        int cancels_won = 0;
        int items_won = 0;
        const auto report = rf::run_and_report([&]() -> rf::task<> {
            // How long the cancel waits: longer after it came first, shorter after the item did. So
            // it stays where the two meet, and both come first again and again.
            std::chrono::nanoseconds patience{};
            for (int round = 0; round < rounds; ++round) {
                rf::cancel_scope scope;
                std::optional<int> got;
                auto receive = [&]() -> rf::task<> { got = co_await items.receive(); };
                co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                    both.spawn([&]() -> rf::task<> { (void)co_await scope.run(receive()); });
                    while (items.statistics().receivers == 0)
                        co_await rf::this_task::yield();
                    called.store(round, std::memory_order_release);
                    called.notify_one();
                    if (patience > 0ns) co_await rf::sleep_for(patience);
                    scope.cancel();
                });
                const bool cancelled = !got.has_value();
                ++(cancelled ? cancels_won : items_won);
                patience = cancelled ? 2 * patience + 1us : patience / 2;
                // Whoever came first, the item is there, once.
                if (cancelled) got = co_await items.receive();
                CHECK(got == round);
                CHECK(!items.try_receive());
            }
        });
        CHECK(report.status == 0);
        MESSAGE("cancels won " << cancels_won << ", items won " << items_won);
        CHECK(cancels_won > rounds / 20);
        CHECK(items_won > rounds / 20);
    }

    TEST_CASE("shared_channel: the last other handle goes, and the wait is a deadlock") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            shared_channel<int> items(1);
            std::jthread other([mine = items]() mutable { CHECK(mine.try_send(1)); });
            auto got = co_await items.receive();
            CHECK(got == 1);
            (void)co_await items.receive();
        });
        CHECK(report.deadlock.find("shared_channel made at") != std::string::npos);
    }

    TEST_CASE("shared_event: set by one thread, seen by loops and by threads") {
        shared_event go;
        shared_event done;
        std::atomic<int> through{0};
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 2; ++i)
                threads.emplace_back([go, done, &through]() mutable {
                    const auto report = rf::run_and_report([&]() -> rf::task<> {
                        co_await go.wait();
                        if (++through == 3) done.set();
                    });
                    CHECK(report.status == 0);
                });
            threads.emplace_back([go, done, &through]() mutable {
                CHECK(go.wait_blocking(60s));
                if (++through == 3) done.set();
            });
            while (go.statistics().waiting != 3)
                std::this_thread::yield();
            go.set();
            go.reset();
            CHECK(done.wait_blocking(60s));
            CHECK(!go.wait_blocking(0ms));
        }
        CHECK(through == 3);
    }
}
