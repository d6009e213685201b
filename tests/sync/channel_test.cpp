// SPDX-License-Identifier: MIT
// Its laws as a queue are in queue_laws_test.cpp.
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::channel;
using rf::test::run_sim;

namespace {

rf::task<> send_range(channel<int>& to, int from, int end) {
    for (int i = from; i < end; ++i)
        co_await to.send(i);
}

}  // namespace

TEST_CASE("channel: without capacity a send waits for its receive") {
    run_sim([]() -> rf::task<> {
        channel<int> items(0);
        bool sent = false;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                co_await items.send(1);
                sent = true;
            });
            co_await rf::sleep_for(1ms);
            CHECK(!sent);
            CHECK(items.statistics().senders == 1);
            auto got1 = co_await items.receive();
            CHECK(got1 == 1);
        });
        CHECK(sent);
    });
}

TEST_CASE("channel: receive_many takes what is there, up to its bound") {
    run_sim([]() -> rf::task<> {
        channel<int> items(4);
        std::vector<int> batch;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                co_await send_range(items, 0, 10);
                items.close();
            });
            co_await rf::sleep_for(1ms);
            auto got4 = co_await items.receive_many(batch, 3);
            CHECK(got4 == 3);
            CHECK(batch == std::vector{0, 1, 2});
            for (std::size_t more = 1; more != 0;)
                more = co_await items.receive_many(batch, 100);
        });
        CHECK(batch == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    });
}

TEST_CASE("channel: a task whose receives are always ready gives way") {
    run_sim([]() -> rf::task<> {
        channel<int> items(1);
        bool other_ran = false;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                other_ran = true;
                co_return;
            });
            items.close();
            while (!other_ran)
                (void)co_await items.receive();
            other_ran = false;
            both.spawn([&]() -> rf::task<> {
                other_ran = true;
                co_return;
            });
            while (!other_ran)
                (void)co_await rf::select(items.receive(), rf::otherwise);
        });
    });
}

TEST_CASE("channel: a task that sends to itself gives way") {
    run_sim([]() -> rf::task<> {
        channel<int> items(4);
        bool other_ran = false;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                other_ran = true;
                co_return;
            });
            for (int i = 0; i < 10'000 && !other_ran; ++i) {
                co_await items.send(i);
                (void)co_await items.receive();
            }
            CHECK(other_ran);
        });
    });
}

TEST_CASE("channel: a task that serves a long line of senders gives way") {
    run_sim([]() -> rf::task<> {
        constexpr int senders = 10'000;
        channel<int> items(0);
        int served = 0;
        int served_before_other = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < senders; ++i)
                all.spawn([&]() -> rf::task<> { co_await items.send(1); });
            while (items.statistics().senders < senders)
                co_await rf::this_task::yield();
            all.spawn([&]() -> rf::task<> {
                served_before_other = served;
                co_return;
            });
            for (; served < senders; ++served)
                (void)co_await items.receive();
        });
        CHECK(served_before_other > 0);
        CHECK(served_before_other < senders / 2);
    });
}

TEST_CASE("channel: the task tree names the channel and where it was made") {
    run_sim([]() -> rf::task<> {
        channel<int> items(1);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> { (void)co_await items.receive(); });
            co_await rf::sleep_for(1ms);
            const std::string tree = rf::task_tree(rf::loop::here());
            CHECK(tree.find("channel made at") != std::string::npos);
            CHECK(tree.find("channel_test.cpp") != std::string::npos);
            items.close();
        });
    });
}

TEST_CASE("unbounded_channel: a send never waits") {
    run_sim([]() -> rf::task<> {
        rf::sync::unbounded_channel<int> items;
        for (int i = 0; i < 1000; ++i)
            items.send(i);
        items.close();
        int sum = 0;
        while (auto item = co_await items.receive())
            sum += *item;
        CHECK(sum == 499'500);
        CHECK(!items.try_send(1));
    });
}

#if RF_EXCEPTIONS
TEST_CASE("channel: sending on a closed channel throws and names it") {
    run_sim([]() -> rf::task<> {
        channel<int> items(1);
        items.close();
        std::string text;
        try {
            co_await items.send(1);
        } catch (const rf::sync::channel_closed& error) {
            text = error.what();
        }
        CHECK(text.find("closed channel") != std::string::npos);
        CHECK(text.find("channel_test.cpp") != std::string::npos);
    });
}

#endif
