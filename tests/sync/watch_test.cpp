// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel_closed.hpp>
#include <ringfence/sync/watch.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::sync::watch;
using rf::test::run_sim;

TEST_CASE("watch: a reader gets the value there is, then the latest of each burst of changes") {
    run_sim([]() -> rf::task<> {
        watch<int> level(1);
        std::vector<int> seen;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto mine = level.reader();
                while (auto now = co_await mine.next())
                    seen.push_back(*now);
            });
            co_await rf::sleep_for(1ms);
            level.set(2);
            level.set(3);
            co_await rf::sleep_for(1ms);
            level.update([](int& value) { value += 10; });
            CHECK(level.close());
            CHECK(!level.close());
        });
        CHECK(seen == std::vector{1, 3, 13});
        CHECK(level.statistics().changes == 3);
        CHECK(level.statistics().readers == 0);
    });
}

TEST_CASE("watch: a change to an equal value is a change, and changed() needs no copy") {
    run_sim([]() -> rf::task<> {
        watch<std::unique_ptr<int>> box(std::make_unique<int>(1));
        auto mine = box.reader();
        CHECK(mine.has_changed());
        const bool first = co_await mine.changed();
        CHECK(first);
        CHECK(!mine.has_changed());
        auto none = co_await rf::select(mine.changed(), rf::otherwise);
        CHECK(none.index() == 1);
        box.set(std::make_unique<int>(1));
        const bool second = co_await mine.changed();
        CHECK(second);
        CHECK(**&mine.value() == 1);
        box.close();
        const bool last = co_await mine.changed();
        CHECK(!last);
    });
}

TEST_CASE("watch: what a reader has not seen is there after close, and copies have seen the same") {
    run_sim([]() -> rf::task<> {
        watch<int> level(1);
        auto one = level.reader();
        (void)co_await one.next();
        auto two = one;
        level.set(2);
        level.close();
        auto last = co_await one.next();
        CHECK(last == 2);
        auto none = co_await one.next();
        CHECK(!none);
        auto same = co_await two.next();
        CHECK(same == 2);
        one = two;
        CHECK(level.statistics().readers == 2);
    });
}

TEST_CASE("watch: a wait that lost or was cancelled has seen nothing; one that was woken has") {
    run_sim([]() -> rf::task<> {
        watch<int> level(1);
        auto mine = level.reader();
        (void)mine.value();
        auto lost = co_await rf::select(mine.next(), rf::sleep_for(1ms));
        CHECK(lost.index() == 1);
        CHECK(level.statistics().waiting == 0);
        std::optional<int> got;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto wait = [&]() -> rf::task<> { got = co_await mine.next(); };
                co_await scope.run(wait());
            });
            co_await rf::sleep_for(1ms);
            level.set(2);
            scope.cancel();
        });
        CHECK(got == 2);
    });
}

TEST_CASE("watch: the task tree names it") {
    run_sim([]() -> rf::task<> {
        watch<int> level(1);
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto mine = level.reader();
                (void)mine.value();
                (void)co_await mine.next();
            });
            co_await rf::sleep_for(1ms);
            const std::string tree = rf::task_tree(rf::loop::here());
            CHECK(tree.find("watch made at") != std::string::npos);
            CHECK(tree.find("watch_test.cpp") != std::string::npos);
            level.close();
        });
    });
}

TEST_CASE("watch: destroyed under its readers, it aborts by name") {
    const auto end = rf::test::run_to_death([] {
        std::unique_ptr<watch<int>> level(new watch<int>(1));
        // Never destroyed: by then there is nothing left to tell.
        [[maybe_unused]] auto* mine = new rf::sync::watch_reader<int>(level->reader());
        level.reset();
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("watch made at"));
    CHECK(end.says("it has to outlive them"));
}

#if RF_EXCEPTIONS
TEST_CASE("watch: a set after close is refused by name, and a change that throws is none") {
    watch<int> level(1);
    CHECK_THROWS_AS(level.update([](int&) { throw std::runtime_error("no"); }), std::runtime_error);
    CHECK(level.statistics().changes == 0);
    level.close();
    CHECK_THROWS_WITH_AS(level.set(2), doctest::Contains("watch_test.cpp"),
                         rf::sync::channel_closed);
}
#endif
