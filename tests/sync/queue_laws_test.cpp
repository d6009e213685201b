// SPDX-License-Identifier: MIT
// What holds for everything that carries items from tasks to tasks, whatever its name.
#include "queue_kinds.hpp"
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace rf::test::queues;
using rf::test::run_sim;

namespace {

template <class Queue>
rf::task<> send_one(Queue& to, int number) {
    item mine = make(number);
    co_await to.send(std::move(mine));
    CHECK(mine == nullptr);
}

template <class Queue>
rf::task<> receive_one(Queue& from, std::vector<int>& to) {
    auto got = co_await from.receive();
    to.push_back(got ? number_of(*got) : -1);
}

template <class Queue>
rf::task<> receive_all(Queue& from, std::vector<int>& to) {
    while (auto got = co_await from.receive())
        to.push_back(number_of(*got));
}

// So that the next send has to wait. Returns how many that took.
template <class Queue>
int fill(Queue& to) {
    int sent = 0;
    while (to.try_send(make(sent)))
        ++sent;
    return sent;
}

}  // namespace

TEST_CASE_TEMPLATE("queue laws: every item is received once, in the order it was sent", Queue,
                   QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        std::vector<int> got;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(&receive_all<Queue>, std::ref(queue), std::ref(got));
            for (int i = 0; i < 500; ++i)
                co_await send_one(queue, i);
            queue.close();
        });
        REQUIRE(got.size() == 500);
        for (int i = 0; i < 500; ++i)
            CHECK(got[static_cast<std::size_t>(i)] == i);
        CHECK(queue.statistics().sent == 500);
        CHECK(queue.statistics().items == 0);
    });
}

TEST_CASE_TEMPLATE("queue laws: it takes what it has room for, and counts true", Queue, QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        CHECK(fill(queue) == static_cast<int>(Queue::room));
        CHECK(queue.statistics().items == Queue::room);
        item kept = make(7);
        CHECK(!queue.try_send(std::move(kept)));
        CHECK(kept != nullptr);
        for (std::size_t i = 0; i < Queue::room; ++i)
            CHECK(queue.try_receive());
        CHECK(!queue.try_receive());
        CHECK(queue.statistics().sent == Queue::room);
        co_return;
    });
}

TEST_CASE_TEMPLATE("queue laws: waiting senders are served oldest first, and nobody passes", Queue,
                   QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        const int inside = fill(queue);
        std::vector<int> got;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 5; ++i)
                all.spawn(&send_one<Queue>, std::ref(queue), inside + i);
            co_await rf::sleep_for(1ms);
            CHECK(queue.statistics().senders == 5);
            CHECK(queue.statistics().items == Queue::room);
            CHECK(!queue.try_send(make(99)));
            auto first = queue.try_receive();
            if (first) got.push_back(number_of(*first));
            co_await rf::sleep_for(1ms);
            CHECK(queue.statistics().items == Queue::room);
            all.spawn(&send_one<Queue>, std::ref(queue), inside + 5);
            co_await rf::sleep_for(1ms);
            all.spawn(&receive_all<Queue>, std::ref(queue), std::ref(got));
            co_await rf::sleep_for(1ms);
            queue.close();
        });
        REQUIRE(got.size() == static_cast<std::size_t>(inside + 6));
        CHECK(std::is_sorted(got.begin(), got.end()));
    });
}

TEST_CASE_TEMPLATE("queue laws: waiting receivers are served oldest first, and nobody passes",
                   Queue, QUEUES) {
    if constexpr (Queue::many_receivers) {
        run_sim([]() -> rf::task<> {
            Queue queue;
            std::vector<int> got[4];
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                for (auto& one : got)
                    all.spawn(&receive_one<Queue>, std::ref(queue), std::ref(one));
                co_await rf::sleep_for(1ms);
                CHECK(queue.receivers() == 4);
                for (int i = 0; i < 3; ++i)
                    co_await send_one(queue, i);
                // Handed over or to be; not for one who comes now, if others are in line.
                co_await rf::sleep_for(1ms);
                CHECK(queue.receivers() == 1);
                CHECK(!queue.try_receive());
                co_await send_one(queue, 3);
            });
            for (int i = 0; i < 4; ++i)
                CHECK(got[i] == std::vector{i});
        });
    }
}

TEST_CASE_TEMPLATE("queue laws: a cancelled or lost wait moves no item", Queue, QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        // Receiving from an empty one.
        std::vector<int> got;
        rf::cancel_scope scope;
        scope.set_timeout(1ms);
        co_await scope.run(receive_one(queue, got));
        auto lost = co_await rf::select(queue.receive(), rf::sleep_for(1ms));
        CHECK(lost.index() == 1);
        CHECK(got.empty());
        CHECK(queue.receivers() == 0);
        // Sending to a full one: the value is the sender's still.
        const int inside = fill(queue);
        item mine = make(1000);
        rf::cancel_scope sending;
        sending.set_timeout(1ms);
        auto send = [&]() -> rf::task<> { co_await queue.send(std::move(mine)); };
        co_await sending.run(send());
        CHECK(mine != nullptr);
        auto lost_too = co_await rf::select(queue.send(std::move(mine)), rf::sleep_for(1ms));
        CHECK(lost_too.index() == 1);
        CHECK(mine != nullptr);
        CHECK(queue.statistics().senders == 0);
        for (int i = 0; i < inside; ++i) {
            auto old = queue.try_receive();
            CHECK(number_of(*old) == i);
        }
        CHECK(!queue.try_receive());
        CHECK(queue.statistics().sent == Queue::room);
    });
}

TEST_CASE_TEMPLATE("queue laws: what was decided before the cancel came has happened", Queue,
                   QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        std::vector<int> got;
        item mine = make(1);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            rf::cancel_scope receiving;
            all.spawn([&]() -> rf::task<> { co_await receiving.run(receive_one(queue, got)); });
            co_await rf::sleep_for(1ms);
            CHECK(queue.try_send(make(0)));
            receiving.cancel();
            co_await rf::sleep_for(1ms);
            // Received, or left for the next: never gone.
            if (got.empty()) co_await receive_one(queue, got);

            const int inside = fill(queue);
            rf::cancel_scope sending;
            bool sent = false;
            all.spawn([&]() -> rf::task<> {
                auto send = [&]() -> rf::task<> {
                    co_await queue.send(std::move(mine));
                    sent = true;
                };
                co_await sending.run(send());
            });
            co_await rf::sleep_for(1ms);
            (void)queue.try_receive();
            sending.cancel();
            co_await rf::sleep_for(1ms);
            CHECK(sent == (mine == nullptr));
            int left = 0;
            while (queue.try_receive())
                ++left;
            CHECK(left == std::max(inside - 1, 0) + (sent && inside != 0 ? 1 : 0));
        });
        CHECK(got == std::vector{0});
    });
}

TEST_CASE_TEMPLATE("queue laws: in a cancelled scope no item moves, though it could", Queue,
                   QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        const int inside = fill(queue);
        std::vector<int> got;
        rf::cancel_scope scope;
        scope.cancel();
        co_await scope.run(receive_one(queue, got));
        CHECK(got.empty());
        CHECK(queue.statistics().items == static_cast<std::size_t>(inside));
        while (queue.try_receive()) {
        }
        rf::cancel_scope again;
        again.cancel();
        co_await again.run(send_one(queue, 1));
        CHECK(queue.statistics().items == 0);
    });
}

TEST_CASE_TEMPLATE("queue laws: closed, it gives what is inside, then nothing; sends fail", Queue,
                   QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        const int inside = fill(queue);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                item mine = make(1);
                auto end = co_await rf::as_result(queue.send(std::move(mine)));
                CHECK(!end);
                CHECK(end.error().code() == EPIPE);
                CHECK(mine != nullptr);
            });
            co_await rf::sleep_for(1ms);
            CHECK(queue.close());
            CHECK(!queue.close());
        });
        std::vector<int> got;
        co_await receive_all(queue, got);
        CHECK(got.size() == static_cast<std::size_t>(inside));
        item late = make(2);
        auto end = co_await rf::as_result(queue.send(std::move(late)));
        CHECK(!end);
        CHECK(late != nullptr);
        CHECK(!queue.try_send(std::move(late)));
        CHECK(late != nullptr);
        auto none = co_await queue.receive();
        CHECK(!none);
    });
}

TEST_CASE_TEMPLATE("queue laws: closing wakes those who wait to receive", Queue, QUEUES) {
    run_sim([]() -> rf::task<> {
        Queue queue;
        std::vector<int> got;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn(&receive_one<Queue>, std::ref(queue), std::ref(got));
            co_await rf::sleep_for(1ms);
            queue.close();
        });
        CHECK(got == std::vector{-1});
    });
}

TEST_CASE_TEMPLATE("queue laws: cancels, timeouts and selects in any order lose no item", Queue,
                   QUEUES) {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        run_sim({.seed = seed}, [&]() -> rf::task<> {
            Queue queue;
            std::mt19937_64 random(seed);
            std::vector<int> sent;
            std::vector<int> got;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                co_await rf::with_nursery([&](rf::nursery& senders) -> rf::task<> {
                    const int receivers = Queue::many_receivers ? 3 : 1;
                    for (int i = 0; i < receivers; ++i)
                        all.spawn([&, i]() -> rf::task<> {
                            std::mt19937_64 mine(seed * 7 + static_cast<std::uint64_t>(i));
                            for (;;) {
                                const auto patience = std::chrono::microseconds(1 + mine() % 4);
                                auto won =
                                    co_await rf::select(queue.receive(), rf::sleep_for(patience));
                                if (won.index() != 0) continue;
                                if (!std::get<0>(won)) co_return;
                                got.push_back(number_of(*std::get<0>(won)));
                            }
                        });
                    for (int i = 0; i < 40; ++i) {
                        const auto start = std::chrono::microseconds(random() % 20);
                        const auto patience = std::chrono::microseconds(random() % 10);
                        senders.spawn([&, i, start, patience]() -> rf::task<> {
                            co_await rf::sleep_for(start);
                            item mine = make(i);
                            rf::cancel_scope scope;
                            scope.set_timeout(patience);
                            auto send = [&]() -> rf::task<> {
                                co_await queue.send(std::move(mine));
                            };
                            co_await scope.run(send());
                            if (mine == nullptr) sent.push_back(i);
                        });
                    }
                    co_return;
                });
                queue.close();
            });
            std::sort(sent.begin(), sent.end());
            std::sort(got.begin(), got.end());
            CHECK(got == sent);
            CHECK(queue.statistics().sent == sent.size());
            CHECK(queue.statistics().senders == 0);
            CHECK(queue.receivers() == 0);
        });
    });
}

TEST_CASE_TEMPLATE("queue laws: destroyed under a receiver that waits, it aborts by name and line",
                   Queue, QUEUES) {
    const auto end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            Queue queue;
            std::vector<int> got;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn(&receive_one<Queue>, std::ref(queue), std::ref(got));
                co_await rf::sleep_for(1ms);
                queue.destroy_receiving_end();
            });
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says(std::string(Queue::kind) + " made at"));
    CHECK(end.says("queue_kinds.hpp:"));
    CHECK(end.says("destroyed while"));
}

TEST_CASE_TEMPLATE("queue laws: destroyed under a sender that waits, it aborts by name and line",
                   Queue, QUEUES) {
    const auto end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            Queue queue;
            fill(queue);
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn(&send_one<Queue>, std::ref(queue), 1000);
                co_await rf::sleep_for(1ms);
                CHECK(queue.statistics().senders == 1);
                queue.destroy_sending_end();
            });
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says(std::string(Queue::kind) + " made at"));
    CHECK(end.says("queue_kinds.hpp:"));
    CHECK(end.says("destroyed while tasks wait on it"));
}

TEST_CASE_TEMPLATE(
    "queue laws: used from another loop than its waiter's, it aborts by name and line", Queue,
    QUEUES) {
    if constexpr (!std::string_view(Queue::kind).starts_with("shared_")) {
        const auto end = rf::test::run_to_death([] {
            run_sim([]() -> rf::task<> {
                Queue queue;
                std::vector<int> got;
                co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                    all.spawn(&receive_one<Queue>, std::ref(queue), std::ref(got));
                    co_await rf::sleep_for(1ms);
                    std::thread other([&] { run_sim([&] { return send_one(queue, 1); }); });
                    other.join();
                });
            });
        });
        CHECK(end.signal == SIGABRT);
        CHECK(end.says(std::string(Queue::kind) + " made at"));
        CHECK(end.says("queue_kinds.hpp:"));
        CHECK(end.says("it has waiters on another loop"));
    }
}
