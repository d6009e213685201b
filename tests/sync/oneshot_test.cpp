// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/oneshot.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <tests/support/death.hpp>
#include <utility>

using namespace std::chrono_literals;
using rf::sync::oneshot;
using rf::test::run_sim;

TEST_CASE("oneshot: the value comes, before or after the receiver waits") {
    run_sim([]() -> rf::task<> {
        oneshot<std::unique_ptr<int>> early;
        CHECK(early.sender.is_wanted());
        CHECK(early.sender.send(std::make_unique<int>(1)));
        auto first = co_await early.receiver.receive();
        CHECK(**first == 1);
        auto again = co_await early.receiver.receive();
        CHECK(!again);

        oneshot<std::unique_ptr<int>> late;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([to = std::move(late.sender)]() mutable -> rf::task<> {
                co_await rf::sleep_for(1ms);
                CHECK(to.send(std::make_unique<int>(2)));
            });
            auto second = co_await late.receiver.receive();
            CHECK(**second == 2);
        });
        CHECK(late.receiver.statistics().sender_gone);
    });
}

TEST_CASE("oneshot: a sender that is dropped gives nothing") {
    run_sim([]() -> rf::task<> {
        oneshot<int> answer;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(
                [to = std::move(answer.sender)]() -> rf::task<> { co_await rf::sleep_for(1ms); });
            auto none = co_await answer.receiver.receive();
            CHECK(!none);
        });
        auto none = co_await answer.receiver.receive();
        CHECK(!none);
    });
}

TEST_CASE("oneshot: a receiver that is dropped makes send keep its value") {
    oneshot<std::unique_ptr<int>> answer;
    {
        auto gone = std::move(answer.receiver);
    }
    CHECK(!answer.sender.is_wanted());
    auto mine = std::make_unique<int>(3);
    CHECK(!answer.sender.send(std::move(mine)));
    CHECK(mine != nullptr);
}

TEST_CASE("oneshot: a value that was not received goes with the receiver") {
    rf::test::lifetimes book;
    {
        oneshot<rf::test::lifetime_tracker> answer;
        CHECK(answer.sender.send(rf::test::lifetime_tracker(book)));
        CHECK(book.live() == 1);
        {
            auto gone = std::move(answer.receiver);
        }
        CHECK(book.live() == 0);
    }
}

TEST_CASE("oneshot: a lost or cancelled receive leaves the value, a granted one has it") {
    run_sim([]() -> rf::task<> {
        oneshot<int> answer;
        auto lost = co_await rf::select(answer.receiver.receive(), rf::sleep_for(1ms));
        CHECK(lost.index() == 1);
        CHECK(answer.receiver.statistics().waiting == 0);
        std::optional<int> got;
        rf::cancel_scope scope;
        auto work = [&]() -> rf::task<> { got = co_await answer.receiver.receive(); };
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> { co_await scope.run(work()); });
            co_await rf::sleep_for(1ms);
            CHECK(answer.sender.send(4));
            scope.cancel();
        });
        CHECK(got == 4);
    });
}

TEST_CASE("oneshot: sending twice aborts by name") {
    const auto end = rf::test::run_to_death([] {
        oneshot<int> answer;
        answer.sender.send(1);
        answer.sender.send(2);
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("oneshot made at "));
    CHECK(end.says("a second value was sent"));
}
