// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/join_handle.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;
using rf::test::run_sim;
using rf::test::stopwatch;

namespace {

rf::task<int> give(int value, std::chrono::milliseconds when) {
    co_await rf::sleep_for(when);
    co_return value;
}

// A flag with one waiter, as a user would write it: the smallest awaiter that can be a case.
class flag {
public:
    class waiting final : public rf::waiter {
    public:
        using selectable = void;

        explicit waiting(flag& on) noexcept : on_(&on) {}
        [[nodiscard]] bool await_ready() const noexcept {
            return !cancel_requested() && std::exchange(on_->set_, false);
        }
        void await_suspend(std::coroutine_handle<>) noexcept {
            if (enter()) start();
        }
        void start() noexcept { on_->who_ = this; }
        [[nodiscard]] int await_resume() const noexcept { return on_->value_; }
        [[nodiscard]] rf::cancel_outcome cancel() noexcept override {
            on_->who_ = nullptr;
            return rf::cancel_outcome::removed;
        }
        void describe(rf::wait_description& out) const override {
            out.kind = "flag";
            out.what = "flag " + std::to_string(on_->value_);
        }

    private:
        friend class flag;
        flag* on_;
    };

    explicit flag(int value) noexcept : value_(value) {}
    [[nodiscard]] waiting wait() noexcept { return waiting(*this); }
    void set() noexcept {
        if (who_ == nullptr)
            set_ = true;
        else
            std::exchange(who_, nullptr)->resume();
    }
    [[nodiscard]] bool waited_for() const noexcept { return who_ != nullptr; }
    [[nodiscard]] bool is_set() const noexcept { return set_; }

private:
    waiting* who_ = nullptr;
    int value_;
    bool set_ = false;
};

}  // namespace

TEST_CASE("select: of sleeps the shortest wins and the others leave no timer") {
    run_sim([]() -> rf::task<> {
        const stopwatch watch;
        auto won =
            co_await rf::select(rf::sleep_for(30ms), rf::sleep_for(10ms), rf::sleep_for(20ms));
        CHECK(won.index() == 1);
        CHECK(watch.elapsed() == 10ms);
        CHECK(rf::loop::here().account().timers == 0);
    });
}

TEST_CASE("select: a case that is ready wins without waiting, and no other takes effect") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        flag b(2);
        b.set();
        const stopwatch watch;
        auto won = co_await rf::select(a.wait(), b.wait(), rf::sleep_for(1s));
        CHECK(won.index() == 1);
        CHECK(std::get<1>(won) == 2);
        CHECK(watch.elapsed() == 0ms);
        CHECK(!a.waited_for());
    });
}

TEST_CASE("select: of several ready cases each wins about as often") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        flag b(2);
        flag c(3);
        std::array<int, 3> wins{};
        for (int round = 0; round < 3000; ++round) {
            a.set();
            b.set();
            c.set();
            auto won = co_await rf::select(a.wait(), b.wait(), c.wait());
            ++wins[won.index()];
            // Exactly one flag was consumed.
            CHECK(int(a.is_set()) + int(b.is_set()) + int(c.is_set()) == 2);
        }
        for (const int count : wins)
            CHECK(count > 800);
    });
}

TEST_CASE("select: biased takes the first ready case") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        flag b(2);
        for (int round = 0; round < 100; ++round) {
            a.set();
            b.set();
            auto won = co_await rf::select(rf::biased, a.wait(), b.wait());
            CHECK(won.index() == 0);
            CHECK(b.is_set());
        }
    });
}

TEST_CASE("select: with otherwise it does not wait") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        auto none = co_await rf::select(a.wait(), rf::otherwise);
        CHECK(none.index() == 1);
        CHECK(!a.waited_for());
        a.set();
        auto one = co_await rf::select(a.wait(), rf::otherwise);
        CHECK(one.index() == 0);
    });
}

TEST_CASE("select: the first to fire decides, and the one set after it stays set") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        flag b(2);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select(a.wait(), b.wait());
                CHECK(won.index() == 1);
                CHECK(std::get<1>(won) == 2);
            });
            co_await rf::sleep_for(1ms);
            CHECK(a.waited_for());
            CHECK(b.waited_for());
            b.set();
            CHECK(!a.waited_for());  // taken back before anybody else runs
            a.set();
            CHECK(a.is_set());
        });
        CHECK(a.is_set());
    });
}

TEST_CASE("select: cancelled, it takes every case back") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        flag b(2);
        bool returned = false;
        rf::cancel_scope scope;
        scope.set_timeout(5ms);
        auto work = [&]() -> rf::task<> {
            (void)co_await rf::select(a.wait(), b.wait(), rf::sleep_for(1s));
            returned = true;
        };
        co_await scope.run(work());
        CHECK(!returned);
        CHECK(!a.waited_for());
        CHECK(!b.waited_for());
        CHECK(rf::loop::here().account().timers == 0);
    });
}

TEST_CASE("select: in a cancelled scope no case takes effect, even one that is ready") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        a.set();
        rf::cancel_scope scope;
        scope.cancel();
        auto work = [&]() -> rf::task<> { (void)co_await rf::select(a.wait(), rf::otherwise); };
        co_await scope.run(work());
        CHECK(a.is_set());
    });
}

TEST_CASE("select: one that was decided before the cancel came returns normally") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        bool returned = false;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto work = [&]() -> rf::task<> {
                    (void)co_await rf::select(a.wait(), rf::sleep_for(1s));
                    returned = true;
                };
                co_await scope.run(work());
            });
            co_await rf::sleep_for(1ms);
            a.set();
            scope.cancel();
        });
        CHECK(returned);
    });
}

TEST_CASE("select: a nested select is a case, and its winner decides both") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        flag b(2);
        flag c(3);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select(a.wait(), rf::select(b.wait(), c.wait()));
                CHECK(won.index() == 1);
                auto& inner = std::get<1>(won);
                CHECK(inner.index() == 1);
                CHECK(std::get<1>(inner) == 3);
            });
            co_await rf::sleep_for(1ms);
            c.set();
            CHECK(!a.waited_for());
            CHECK(!b.waited_for());
        });
        b.set();
        auto won = co_await rf::select(a.wait(), rf::select(b.wait(), c.wait()));
        CHECK(won.index() == 1);
        CHECK(std::get<1>(won).index() == 0);
    });
}

TEST_CASE("select: a child's end is a case") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            auto slow = both.async(give, 1, 20ms);
            auto quick = both.async(give, 2, 10ms);
            auto won = co_await rf::select(slow, quick);
            CHECK(won.index() == 1);
            CHECK(std::get<1>(won) == 2);
            auto got1 = co_await slow;
            CHECK(got1 == 1);
        });
    });
}

TEST_CASE("select: with a child's end among its cases it can be handed on") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            auto child = both.async(give, 1, 10ms);
            auto won = co_await rf::move_on_after(1s, rf::select(child, rf::sleep_for(20ms)));
            REQUIRE(won.has_value());
            CHECK(std::get<0>(*won) == 1);
        });
    });
}

TEST_CASE("select_any: a list made at run time") {
    run_sim([]() -> rf::task<> {
        std::vector<flag> flags;
        for (int i = 0; i < 100; ++i)
            flags.emplace_back(i);
        auto waits = [&] {
            std::vector<flag::waiting> made;
            for (flag& one : flags)
                made.push_back(one.wait());
            return made;
        };
        flags[42].set();
        auto ready = co_await rf::select_any(waits());
        CHECK(ready.index == 42);
        CHECK(ready.value == 42);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select_any(waits());
                CHECK(won.index == 7);
                for (const flag& one : flags)
                    CHECK(!one.waited_for());
            });
            co_await rf::sleep_for(1ms);
            flags[7].set();
        });
        auto none = co_await rf::select_any(waits(), rf::otherwise);
        CHECK(none.index == 100);
        CHECK(!none.value);
        none = co_await rf::select_any(rf::biased, waits(), rf::otherwise);
        CHECK(none.index == 100);
        CHECK(!none.value);
        flags[3].set();
        flags[4].set();
        auto first = co_await rf::select_any(rf::biased, waits());
        CHECK(first.index == 3);
        for (int i = 5; i < 100; ++i)
            flags[static_cast<std::size_t>(i)].set();
        flags[4].set();
        auto now = co_await rf::select_any(rf::biased, waits(), rf::otherwise);
        CHECK(now.index == 4);
        CHECK(now.value == 4);
    });
}

TEST_CASE("select: the task tree tells every case") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(
                [&]() -> rf::task<> { (void)co_await rf::select(a.wait(), rf::sleep_for(10ms)); });
            co_await rf::sleep_for(1ms);
            const std::string tree = rf::task_tree(rf::loop::here());
            CHECK(tree.find("select of 2: flag 1 | sleep") != std::string::npos);
        });
    });
}

#if RF_EXCEPTIONS
TEST_CASE("select_any: an empty list is refused with the line") {
    run_sim([]() -> rf::task<> {
        std::string text;
        try {
            (void)co_await rf::select_any(std::vector<flag::waiting>());
        } catch (const std::invalid_argument& error) {
            text = error.what();
        }
        CHECK(text.find("select_test.cpp:") != std::string::npos);
        CHECK(text.find("no case") != std::string::npos);
    });
}

TEST_CASE("select: an exception of the winner leaves, and a timeout around it is told apart") {
    run_sim([]() -> rf::task<> {
        flag a(1);
        bool timed_out = false;
        try {
            (void)co_await rf::with_timeout(5ms, rf::select(a.wait(), rf::sleep_for(1s)));
        } catch (const rf::timeout_error&) {
            timed_out = true;
        }
        CHECK(timed_out);
        CHECK(!a.waited_for());
        co_await rf::with_nursery({.on_failure = rf::collect},
                                  [&](rf::nursery& some) -> rf::task<> {
                                      auto broken = some.async([]() -> rf::task<int> {
                                          throw std::runtime_error("broken");
                                          co_return 1;
                                      });
                                      bool thrown = false;
                                      try {
                                          (void)co_await rf::select(broken, rf::sleep_for(1s));
                                      } catch (const std::runtime_error&) {
                                          thrown = true;
                                      }
                                      CHECK(thrown);
                                  });
    });
}
#endif
