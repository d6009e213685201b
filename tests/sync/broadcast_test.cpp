// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/broadcast.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::broadcast;
using rf::sync::receiver_skips;
using rf::sync::sender_waits;
using rf::test::run_sim;

namespace {

rf::task<> collect(broadcast<int>& from, std::vector<int>& to, std::chrono::milliseconds pace) {
    auto mine = from.subscribe();
    while (auto got = co_await mine.receive()) {
        CHECK(got->missed == 0);
        to.push_back(got->value);
        if (pace != 0ms) co_await rf::sleep_for(pace);
    }
}

}  // namespace

TEST_CASE("broadcast: every receiver hears all that is sent after it came, in order") {
    for (const std::size_t capacity : {1u, 3u, 64u}) {
        CAPTURE(capacity);
        run_sim([&]() -> rf::task<> {
            broadcast<int> news(capacity, sender_waits);
            std::vector<int> quick;
            std::vector<int> slow;
            std::vector<int> late;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn(collect, std::ref(news), std::ref(quick), 0ms);
                all.spawn(collect, std::ref(news), std::ref(slow), 2ms);
                co_await rf::sleep_for(1ms);
                for (int i = 0; i < 100; ++i) {
                    if (i == 90) {
                        all.spawn(collect, std::ref(news), std::ref(late), 0ms);
                        co_await rf::sleep_for(1us);
                    }
                    co_await news.send(i);
                    CHECK(news.statistics().items <= capacity);
                }
                news.close();
            });
            REQUIRE(quick.size() == 100);
            for (int i = 0; i < 100; ++i)
                CHECK(quick[static_cast<std::size_t>(i)] == i);
            CHECK(slow == quick);
            CHECK(late == std::vector(quick.begin() + 90, quick.end()));
            CHECK(news.statistics().items == 0);
            CHECK(news.statistics().sent == 100);
            CHECK(news.statistics().overwritten == 0);
        });
    }
}

TEST_CASE("broadcast: when senders wait, they wait for the slowest receiver, oldest first") {
    run_sim([]() -> rf::task<> {
        broadcast<int> news(2, sender_waits);
        auto slow = news.subscribe();
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto quick = std::make_unique<rf::sync::broadcast_receiver<int>>(news.subscribe());
            for (int i = 0; i < 4; ++i)
                all.spawn([&, i]() -> rf::task<> { co_await news.send(i); });
            co_await rf::sleep_for(1ms);
            CHECK(news.statistics().senders == 2);
            CHECK(!news.try_send(9));
            for (int i = 0; i < 2; ++i) {
                auto got = co_await quick->receive();
                CHECK(got->value == i);
            }
            CHECK(news.statistics().senders == 2);  // the slow one has taken none
            auto first = co_await slow.receive();
            CHECK(first->value == 0);
            CHECK(news.statistics().senders == 1);
            CHECK(quick->lag() == 1);
            // Who waits is woken by an item that a waiting sender brings.
            auto third = co_await quick->receive();
            CHECK(third->value == 2);
            all.spawn([&]() -> rf::task<> {
                auto fourth = co_await quick->receive();
                CHECK(fourth->value == 3);
            });
            co_await rf::sleep_for(1ms);
            CHECK(news.statistics().waiting == 1);
            auto second = slow.try_receive();
            CHECK(second->value == 1);
            co_await rf::sleep_for(1ms);
            CHECK(news.statistics().waiting == 0);
            CHECK(news.statistics().senders == 0);
        });
        // A receiver that goes away is waited for no longer.
        CHECK(news.statistics().items == 2);
        CHECK(slow.lag() == 2);
    });
}

TEST_CASE("broadcast: a receiver that goes lets the senders on that waited for it") {
    run_sim([]() -> rf::task<> {
        broadcast<int> news(1, sender_waits);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            std::optional<rf::sync::broadcast_receiver<int>> only(news.subscribe());
            for (int i = 0; i < 3; ++i)
                all.spawn([&, i]() -> rf::task<> { co_await news.send(i); });
            co_await rf::sleep_for(1ms);
            CHECK(news.statistics().senders == 2);
            only.reset();
            CHECK(news.statistics().senders == 0);
            CHECK(news.statistics().items == 0);
        });
        co_await news.send(7);  // nobody listens: never kept, never waited for
        CHECK(news.statistics().items == 0);
        CHECK(news.statistics().sent == 4);
    });
}

TEST_CASE("broadcast: when receivers skip, the slow one is told how many it missed") {
    run_sim([]() -> rf::task<> {
        broadcast<int> news(4, receiver_skips);
        auto slow = news.subscribe();
        auto quick = news.subscribe();
        for (int i = 0; i < 10; ++i) {
            co_await news.send(i);
            auto got = quick.try_receive();
            CHECK(got->value == i);
            CHECK(got->missed == 0);
        }
        CHECK(slow.lag() == 10);
        CHECK(news.statistics().overwritten == 6);
        auto first = co_await slow.receive();
        CHECK(first->value == 6);
        CHECK(first->missed == 6);
        auto second = co_await slow.receive();
        CHECK(second->value == 7);
        CHECK(second->missed == 0);
        news.close();
        (void)co_await slow.receive();
        auto last = co_await slow.receive();
        CHECK(last->value == 9);
        auto none = co_await slow.receive();
        CHECK(!none);
    });
}

TEST_CASE("broadcast: each receiver has a copy, and the last one the item itself") {
    run_sim([]() -> rf::task<> {
        broadcast<std::shared_ptr<int>> news(4, sender_waits);
        auto one = news.subscribe();
        auto two = news.subscribe();
        auto item = std::make_shared<int>(1);
        const std::weak_ptr<int> watched = item;
        co_await news.send(std::move(item));
        CHECK(item == nullptr);
        auto first = co_await one.receive();
        CHECK(watched.use_count() == 2);
        auto second = co_await two.receive();
        CHECK(watched.use_count() == 2);
        CHECK(first->value == second->value);
    });
}

TEST_CASE("broadcast: closing wakes both sides, and a failed send keeps its value") {
    run_sim([]() -> rf::task<> {
        broadcast<std::shared_ptr<int>> news(1, sender_waits);
        auto slow = news.subscribe();
        co_await news.send(std::make_shared<int>(1));
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto mine = std::make_shared<int>(2);
                auto end = co_await rf::as_result(news.send(std::move(mine)));
                CHECK(!end);
                CHECK(end.error().code() == EPIPE);
                CHECK(mine != nullptr);
            });
            co_await rf::sleep_for(1ms);
            CHECK(news.close());
            CHECK(!news.close());
        });
        auto kept = co_await slow.receive();
        CHECK(*kept->value == 1);
        auto none = co_await slow.receive();
        CHECK(!none);
    });
}

TEST_CASE("broadcast: a wait that lost or was cancelled moved nothing; one that was woken takes") {
    run_sim([]() -> rf::task<> {
        broadcast<std::shared_ptr<int>> news(1, sender_waits);
        auto mine = news.subscribe();
        auto lost = co_await rf::select(mine.receive(), rf::sleep_for(1ms));
        CHECK(lost.index() == 1);
        CHECK(news.statistics().waiting == 0);
        std::optional<int> got;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto work = [&]() -> rf::task<> {
                    auto item = co_await mine.receive();
                    got = *item->value;
                };
                co_await scope.run(work());
            });
            co_await rf::sleep_for(1ms);
            CHECK(news.try_send(std::make_shared<int>(7)));
            scope.cancel();
        });
        CHECK(got == 7);
        CHECK(news.try_send(std::make_shared<int>(8)));
        auto kept = std::make_shared<int>(9);
        auto won = co_await rf::select(news.send(std::move(kept)), rf::sleep_for(1ms));
        CHECK(won.index() == 1);
        CHECK(kept != nullptr);
        auto eight = mine.try_receive();
        CHECK(*eight->value == 8);
        CHECK(!mine.try_receive());
    });
}

TEST_CASE("broadcast: the task tree names it and where it was made") {
    run_sim([]() -> rf::task<> {
        broadcast<int> news(1, receiver_skips);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            std::vector<int> none;
            all.spawn(collect, std::ref(news), std::ref(none), 0ms);
            co_await rf::sleep_for(1ms);
            const std::string tree = rf::task_tree(rf::loop::here());
            CHECK(tree.find("broadcast made at") != std::string::npos);
            CHECK(tree.find("broadcast_test.cpp") != std::string::npos);
            news.close();
        });
    });
}

TEST_CASE("broadcast: destroyed under its receivers, or a receiver used twice at a time, aborts") {
    auto end = rf::test::run_to_death([] {
        std::unique_ptr<broadcast<int>> news(new broadcast<int>(1, sender_waits));
        // Never destroyed: by then there is nothing to unsubscribe from.
        [[maybe_unused]] auto* mine = new rf::sync::broadcast_receiver<int>(news->subscribe());
        news.reset();
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("broadcast made at"));
    CHECK(end.says("it has to outlive them"));
    end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            broadcast<int> news(1, sender_waits);
            auto mine = news.subscribe();
            (void)co_await rf::select(mine.receive(), mine.receive());
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("used by two waits at a time"));
    CHECK(end.says("broadcast_test.cpp"));
}

#if RF_EXCEPTIONS
namespace {
struct breaks_when_copied {
    breaks_when_copied() = default;
    breaks_when_copied(const breaks_when_copied& other) : copies_left(other.copies_left) {
        if (--*copies_left < 0) throw std::runtime_error("no copy");
    }
    breaks_when_copied(breaks_when_copied&&) noexcept = default;
    breaks_when_copied& operator=(breaks_when_copied&&) noexcept = default;
    std::shared_ptr<int> copies_left = std::make_shared<int>(0);
};
}  // namespace

TEST_CASE("broadcast: a copy that throws fails its receive alone, which has taken nothing") {
    run_sim([]() -> rf::task<> {
        broadcast<breaks_when_copied> news(2, sender_waits);
        auto one = news.subscribe();
        auto two = news.subscribe();
        co_await news.send(breaks_when_copied());
        bool thrown = false;
        try {
            (void)co_await one.receive();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        CHECK(thrown);
        CHECK(one.lag() == 1);
        CHECK(two.lag() == 1);
    });
}

TEST_CASE("broadcast: capacities that make no sense are refused by name, and sends once closed") {
    CHECK_THROWS_WITH_AS(broadcast<int>(0, sender_waits), doctest::Contains("capacity of 0"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(broadcast<int>(static_cast<std::size_t>(-1), receiver_skips),
                         doctest::Contains("capacity of -1"), std::invalid_argument);
    run_sim([]() -> rf::task<> {
        broadcast<int> news(1, sender_waits);
        news.close();
        std::string text;
        try {
            co_await news.send(1);
        } catch (const rf::sync::channel_closed& error) {
            text = error.what();
        }
        CHECK(text.find("broadcast made at") != std::string::npos);
    });
}
#endif
