// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/shared_channel.hpp>
#include <ringfence/sync/shared_event.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::shared_channel;
using rf::sync::shared_event;
using rf::test::run_sim;

TEST_CASE("shared_channel: items come out in order, and a full one makes senders wait") {
    run_sim([]() -> rf::task<> {
        shared_channel<int> items(3);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                for (int i = 0; i < 100; ++i)
                    co_await items.send(i);
                items.close();
            });
            co_await rf::sleep_for(1ms);
            CHECK(items.size() == 3);
            CHECK(items.statistics().senders == 1);
            int expected = 0;
            while (auto item = co_await items.receive())
                CHECK(*item == expected++);
            CHECK(expected == 100);
        });
        CHECK(items.statistics().sent == 100);
        CHECK(items.statistics().received == 100);
    });
}

TEST_CASE("shared_channel: one message to a loop covers many items") {
    run_sim([]() -> rf::task<> {
        shared_channel<int> items(100);
        std::vector<int> got;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                for (std::size_t count = 1; count != 0;)
                    count = co_await items.receive_many(got, 1000);
            });
            co_await rf::sleep_for(1ms);
            for (int i = 0; i < 50; ++i)
                CHECK(items.try_send(std::move(i)));
            CHECK(items.statistics().posts == 1);
            co_await rf::sleep_for(1ms);
            CHECK(got.size() == 50);
            items.close();
        });
        CHECK(items.statistics().posts == 2);
    });
}

TEST_CASE("shared_channel: send_many takes what fits and says how many") {
    run_sim([]() -> rf::task<> {
        shared_channel<int> items(4);
        std::vector<int> batch{1, 2, 3, 4, 5, 6};
        const std::size_t sent = co_await items.send_many(batch);
        CHECK(sent == 4);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                const std::size_t more = co_await items.send_many(std::span(batch).subspan(4));
                CHECK(more == 2);
            });
            co_await rf::sleep_for(1ms);
            std::vector<int> got;
            (void)co_await items.receive_many(got, 4);
            co_await rf::sleep_for(1ms);
            (void)co_await items.receive_many(got, 4);
            CHECK(got == batch);
        });
    });
}

TEST_CASE("shared_channel: waiting tasks are served oldest first, and nobody passes them") {
    run_sim([]() -> rf::task<> {
        shared_channel<int> items(4);
        std::vector<std::pair<int, int>> got;  // who, what
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto receive = [&](int who) -> rf::task<> {
                auto item = co_await items.receive();
                got.emplace_back(who, *item);
            };
            all.spawn(receive, 1);
            all.spawn(receive, 2);
            co_await rf::sleep_for(1ms);
            CHECK(items.try_send(10));
            CHECK(items.try_send(20));
            CHECK(items.try_send(30));
            co_await receive(3);
        });
        CHECK(got == std::vector<std::pair<int, int>>{{1, 10}, {2, 20}, {3, 30}});
    });
}

TEST_CASE("shared_channel: closing wakes both sides; a failed send keeps its value") {
    run_sim([]() -> rf::task<> {
        shared_channel<std::unique_ptr<int>> full(1);
        shared_channel<int> empty(1);
        co_await full.send(std::make_unique<int>(1));
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto mine = std::make_unique<int>(2);
                auto end = co_await rf::as_result(full.send(std::move(mine)));
                CHECK(end.error().code() == EPIPE);
                CHECK(mine != nullptr);
            });
            both.spawn([&]() -> rf::task<> {
                auto none = co_await empty.receive();
                CHECK(!none);
            });
            co_await rf::sleep_for(1ms);
            CHECK(full.close());
            CHECK(!full.close());
            CHECK(empty.close());
        });
        auto inside = co_await full.receive();
        CHECK(**inside == 1);
        auto none = co_await full.receive();
        CHECK(!none);
    });
}

TEST_CASE("shared_channel: a cancelled receive takes no item, even when its loop has been told") {
    run_sim([]() -> rf::task<> {
        shared_channel<int> items(1);
        rf::cancel_scope scope;
        std::optional<int> second;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto work = [&]() -> rf::task<> {
                    (void)co_await items.receive();
                    CHECK(false);
                };
                co_await scope.run(work());
            });
            both.spawn([&]() -> rf::task<> { second = co_await items.receive(); });
            co_await rf::sleep_for(1ms);
            CHECK(items.statistics().receivers == 2);
            CHECK(items.try_send(7));
            scope.cancel();  // the message is under way
            co_await rf::sleep_for(1ms);
            CHECK(second == 7);
        });
        CHECK(items.size() == 0);
    });
}

TEST_CASE("shared_channel: an item taken for a task that is then cancelled is received") {
    run_sim([]() -> rf::task<> {
        shared_channel<int> items(1);
        rf::cancel_scope scope;
        std::optional<int> got;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto work = [&]() -> rf::task<> { got = co_await items.receive(); };
                co_await scope.run(work());
            });
            co_await rf::sleep_for(1ms);
            // In the turn of the message, after it and before the receiver runs: a message of ours.
            struct : rf::inbox_message {
                rf::cancel_scope* scope;
            } after;
            after.scope = &scope;
            after.run = [](rf::inbox_message& message) noexcept {
                static_cast<decltype(after)&>(message).scope->cancel();
            };
            CHECK(items.try_send(7));
            rf::loop::here().post(after);
            co_await rf::sleep_for(1ms);
        });
        CHECK(got == 7);
        CHECK(scope.cancelled());
    });
}

TEST_CASE("shared_channel: a select takes one case, and the others leave no trace") {
    run_sim([]() -> rf::task<> {
        shared_channel<std::unique_ptr<int>> full(1);
        shared_channel<int> other(2);
        co_await full.send(std::make_unique<int>(1));
        auto mine = std::make_unique<int>(2);
        auto lost =
            co_await rf::select(full.send(std::move(mine)), other.receive(), rf::sleep_for(1ms));
        CHECK(lost.index() == 2);
        CHECK(mine != nullptr);
        CHECK(full.statistics().senders == 0);
        CHECK(other.statistics().receivers == 0);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                co_await rf::sleep_for(1ms);
                CHECK(other.try_send(5));
                CHECK(other.try_send(6));
            });
            // Twice the same channel: only one of the two may take an item.
            auto won =
                co_await rf::select(other.receive(), other.receive(), full.send(std::move(mine)));
            CHECK(won.index() < 2);
        });
        CHECK(other.size() == 1);
        CHECK(mine != nullptr);
    });
}

TEST_CASE("shared_channel: a wait with the only handle is a deadlock, with another it is not") {
    rf::test::sim_options how;
    how.world.patience = {};
    const auto alone = rf::test::report_sim(how, []() -> rf::task<> {
        shared_channel<int> items(1);
        (void)co_await items.receive();
    });
    CHECK(alone.deadlock.find("shared_channel made at") != std::string::npos);

    std::uint64_t expected_with_two = 0;
    std::uint64_t expected_with_one = 1;
    const auto dropped = rf::test::report_sim(how, [&]() -> rf::task<> {
        shared_channel<int> items(1);
        std::optional<shared_channel<int>> other;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> { (void)co_await items.receive(); });
            co_await rf::sleep_for(1ms);
            other.emplace(items);
            expected_with_two = rf::loop::here().posts_expected();
            other.reset();
            co_await rf::sleep_for(1ms);
            expected_with_one = rf::loop::here().posts_expected();
        });
    });
    CHECK(expected_with_two == 1);
    CHECK(expected_with_one == 0);
    CHECK(!dropped.deadlock.empty());
}

TEST_CASE("shared_channel: the last handle may not go while a task waits") {
    const auto end = rf::test::run_to_death([] {
        (void)rf::test::report_sim({}, []() -> rf::task<> {
            std::optional items(shared_channel<int>(1));
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> { (void)co_await items->receive(); });
                co_await rf::sleep_for(1ms);
                items.reset();
            });
        });
    });
    CHECK(end.says("last handle"));
    CHECK(end.says("shared_channel_test.cpp"));
}

TEST_CASE("shared_channel: a blocking call on a loop's thread is refused") {
    const auto end = rf::test::run_to_death([] {
        (void)rf::test::report_sim({}, []() -> rf::task<> {
            shared_channel<int> items(1);
            (void)items.receive_blocking(1s);
            co_return;
        });
    });
    CHECK(end.says("blocking call"));
}

#if RF_EXCEPTIONS
TEST_CASE("shared_channel: bad numbers are refused") {
    CHECK_THROWS_WITH_AS(shared_channel<int>(0), doctest::Contains("at least 1"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(shared_channel<int>(static_cast<std::size_t>(-1)),
                         doctest::Contains("capacity of -1"), std::invalid_argument);
    shared_channel<int> items(1);
    std::vector<int> none;
    CHECK_THROWS_WITH_AS((void)items.send_many(none), doctest::Contains("no items"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS((void)items.receive_many(none, 0), doctest::Contains("at least 1"),
                         std::invalid_argument);
}
#endif

TEST_CASE("shared_event: a set lets all through who wait, and a reset does not hold them back") {
    run_sim([]() -> rf::task<> {
        shared_event ready;
        int through = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            auto wait = [&]() -> rf::task<> {
                co_await ready.wait();
                ++through;
            };
            all.spawn(wait);
            all.spawn(wait);
            co_await rf::sleep_for(1ms);
            CHECK(ready.statistics().waiting == 2);
            ready.set();
            ready.reset();
            all.spawn(wait);
            co_await rf::sleep_for(1ms);
            CHECK(through == 2);
            ready.set();
            co_await ready.wait();
        });
        CHECK(through == 3);
        CHECK(ready.is_set());
        CHECK(ready.statistics().sets == 2);
    });
}

TEST_CASE("shared_event: a cancelled wait leaves nothing") {
    run_sim([]() -> rf::task<> {
        shared_event never;
        auto end = co_await rf::select(never.wait(), rf::sleep_for(1ms));
        CHECK(end.index() == 1);
        CHECK(never.statistics().waiting == 0);
        CHECK(rf::loop::here().posts_expected() == 0);
    });
}
