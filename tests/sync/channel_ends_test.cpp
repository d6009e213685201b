// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel_ends.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <tests/support/death.hpp>
#include <utility>

using namespace std::chrono_literals;
using rf::sync::open_channel;
using rf::sync::receiver;
using rf::sync::sender;
using rf::test::run_sim;

namespace {

rf::task<> send_some(sender<int> to, int count) {
    for (int i = 0; i < count; ++i)
        co_await to.send(i);
}

}  // namespace

TEST_CASE("channel ends: the last sender to go closes the channel") {
    for (const std::size_t capacity : {0u, 1u, 64u}) {
        CAPTURE(capacity);
        run_sim([&]() -> rf::task<> {
            auto ends = open_channel<int>(capacity);
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn(send_some, ends.sender, 10);
                all.spawn(send_some, std::move(ends.sender), 20);
                int count = 0;
                while (auto item = co_await ends.receiver.receive())
                    ++count;
                CHECK(count == 30);
            });
            CHECK(ends.receiver.is_closed());
            CHECK(ends.receiver.statistics().sent == 30);
        });
    }
}

TEST_CASE("channel ends: when the last receiver goes, senders fail at once and keep their value") {
    run_sim([]() -> rf::task<> {
        rf::test::lifetimes book;
        auto ends = open_channel<std::unique_ptr<rf::test::lifetime_tracker>>(1);
        auto copy = ends.receiver;
        CHECK(ends.sender.try_send(std::make_unique<rf::test::lifetime_tracker>(book)));
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto mine = std::make_unique<rf::test::lifetime_tracker>(book);
                auto end = co_await rf::as_result(ends.sender.send(std::move(mine)));
                CHECK(!end);
                CHECK(end.error().code() == EPIPE);
                CHECK(mine != nullptr);
            });
            co_await rf::sleep_for(1ms);
            ends.receiver = {};
            CHECK(!ends.sender.is_closed());
            copy = {};
            CHECK(ends.sender.is_closed());
            CHECK(book.live() == 1);  // that of the sender; what was inside is gone
        });
        CHECK(!ends.sender.try_send(nullptr));
    });
}

TEST_CASE("channel ends: both are cases of select") {
    run_sim([]() -> rf::task<> {
        auto ends = open_channel<int>(1);
        auto sent = co_await rf::select(rf::biased, ends.sender.send(1), ends.receiver.receive());
        CHECK(sent.index() == 0);
        auto got = co_await rf::select(ends.receiver.receive(), rf::sleep_for(1ms));
        CHECK(got.index() == 0);
        auto none = co_await rf::select(ends.receiver.receive(), rf::sleep_for(1ms));
        CHECK(none.index() == 1);
        CHECK(ends.receiver.statistics().receivers == 0);
    });
}

TEST_CASE("channel ends: they may outlive their nursery, and lie in their own channel") {
    rf::test::lifetimes book;
    std::optional<rf::sync::channel_ends<std::shared_ptr<rf::test::lifetime_tracker>>> kept;
    run_sim([&]() -> rf::task<> {
        kept.emplace(open_channel<std::shared_ptr<rf::test::lifetime_tracker>>(4));
        co_await kept->sender.send(std::make_shared<rf::test::lifetime_tracker>(book));
    });
    CHECK(book.live() == 1);
    kept.reset();
    CHECK(book.live() == 0);

    struct letter {
        sender<letter> reply_to;
    };
    auto self = open_channel<letter>(1);
    auto copy = self.sender;
    CHECK(self.sender.try_send(letter{std::move(copy)}));
    self.sender = {};
    CHECK(!self.receiver.is_closed());
}

TEST_CASE("channel ends: the last end of a side destroyed under its waiter aborts") {
    const auto end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            auto ends = open_channel<int>(1);
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> { (void)co_await ends.receiver.receive(); });
                co_await rf::sleep_for(1ms);
                ends.receiver = {};
            });
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("channel made at "));
    CHECK(end.says("was destroyed while tasks wait on it"));
}
