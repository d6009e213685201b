// SPDX-License-Identifier: MIT
// What holds for everything that tasks wait for until it happens, whatever its name.
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/barrier.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/latch.hpp>
#include <ringfence/sync/once.hpp>
#include <ringfence/sync/oneshot.hpp>
#include <ringfence/sync/shared_event.hpp>
#include <ringfence/sync/wait_group.hpp>
#include <ringfence/sync/watch.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <random>
#include <source_location>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rf::test::run_sim;

namespace {

// Passed on, because some of these are made inside std::optional, which is no line to report.
constexpr std::source_location made_here = std::source_location::current();

// Each type as the laws see it: happen() lets those through who wait(). `stays`: and those who come
// later. `waiters` is how many there are going to be; lost() says that one of them gave up.

struct of_event {
    static constexpr const char* kind = "event";
    static constexpr bool stays = true;
    explicit of_event(int) {}
    auto wait() { return it.wait(); }
    void happen() { it.set(); }
    void lost() {}
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    void destroy() { gone.reset(); }
    std::optional<rf::sync::event> gone{std::in_place, false, made_here};
    rf::sync::event& it = *gone;
};

struct of_shared_event {
    static constexpr const char* kind = "shared_event";
    static constexpr bool stays = true;
    explicit of_shared_event(int) {}
    auto wait() { return it.wait(); }
    void happen() { it.set(); }
    void lost() {}
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    void destroy() { gone.reset(); }
    std::optional<rf::sync::shared_event> gone{std::in_place, false, made_here};
    rf::sync::shared_event& it = *gone;
};

struct of_latch {
    static constexpr const char* kind = "latch";
    static constexpr bool stays = true;
    explicit of_latch(int) {}
    auto wait() { return it.wait(); }
    void happen() { it.count_down(3); }
    void lost() {}
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    void destroy() { gone.reset(); }
    std::optional<rf::sync::latch> gone{std::in_place, 3u, made_here};
    rf::sync::latch& it = *gone;
};

struct of_wait_group {
    static constexpr const char* kind = "wait_group";
    static constexpr bool stays = true;
    explicit of_wait_group(int) { it.add(2); }
    auto wait() { return it.wait(); }
    void happen() { it.done(2); }
    void lost() {}
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    void destroy() { gone.reset(); }
    std::optional<rf::sync::wait_group> gone{std::in_place, made_here};
    rf::sync::wait_group& it = *gone;
};

struct of_once {
    static constexpr const char* kind = "once";
    static constexpr bool stays = true;
    explicit of_once(int) {}
    rf::task<> prepare() { turn = co_await it.begin(); }
    auto wait() { return it.begin(); }
    void happen() { turn.finish(); }
    void lost() {}
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    void destroy() { gone.reset(); }
    std::optional<rf::sync::once> gone{std::in_place, made_here};
    rf::sync::once& it = *gone;
    rf::sync::once_turn turn;
};

struct of_oneshot {
    static constexpr const char* kind = "oneshot";
    static constexpr bool stays = true;  // with no value for those who come later
    explicit of_oneshot(int) {}
    auto wait() { return it.receiver.receive(); }
    void happen() { (void)it.sender.send(1); }
    void lost() {}
    [[nodiscard]] std::size_t waiting() const { return it.receiver.statistics().waiting; }
    void destroy() { it.receiver = {}; }
    rf::sync::oneshot<int> it{made_here};
};

struct of_oneshot_without_a_value : of_oneshot {
    using of_oneshot::of_oneshot;
    void happen() { it.sender = {}; }
};

struct of_watch {
    static constexpr const char* kind = "watch";
    static constexpr bool stays = false;
    explicit of_watch(int) { (void)mine->value(); }
    auto wait() { return mine->changed(); }
    void happen() { it.set(1); }
    void lost() {}
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    void destroy() {
        mine.reset();
        gone.reset();
    }
    std::optional<rf::sync::watch<int>> gone{std::in_place, 0, made_here};
    rf::sync::watch<int>& it = *gone;
    std::optional<rf::sync::watch_reader<int>> mine = it.reader();
};

struct of_barrier {
    static constexpr const char* kind = "barrier";
    static constexpr bool stays = false;
    explicit of_barrier(int waiters)
        : gone(std::in_place, static_cast<std::size_t>(waiters + 1), made_here) {}
    auto wait() { return it.arrive_and_wait(); }
    void happen() { it.arrive_and_drop(); }
    void lost() { it.arrive_and_drop(); }
    [[nodiscard]] std::size_t waiting() const { return it.statistics().waiting; }
    void destroy() { gone.reset(); }
    std::optional<rf::sync::barrier> gone;
    rf::sync::barrier& it = *gone;
};

#define ONE_SHOTS                                                                                  \
    of_event, of_shared_event, of_latch, of_wait_group, of_once, of_oneshot,                       \
        of_oneshot_without_a_value, of_watch, of_barrier

template <class Shot>
rf::task<> prepare(Shot& shot) {
    if constexpr (requires { shot.prepare(); }) co_await shot.prepare();
    co_return;
}

template <class Shot>
rf::task<> await_it(Shot& shot, std::vector<int>& through, int number) {
    (void)co_await shot.wait();
    through.push_back(number);
}

}  // namespace

TEST_CASE_TEMPLATE("one-shot laws: nobody passes before it happens, then all, oldest first", Shot,
                   ONE_SHOTS) {
    run_sim([]() -> rf::task<> {
        Shot shot(5);
        co_await prepare(shot);
        std::vector<int> through;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 5; ++i) {
                all.spawn(&await_it<Shot>, std::ref(shot), std::ref(through), i);
                co_await rf::sleep_for(1ms);
                CHECK(shot.waiting() == static_cast<std::size_t>(i + 1));
            }
            CHECK(through.empty());
            shot.happen();
            CHECK(through.empty());  // queued, never run inside the call
        });
        CHECK(through == std::vector{0, 1, 2, 3, 4});
        CHECK(shot.waiting() == 0);
        if constexpr (Shot::stays) {
            const rf::test::stopwatch watch;
            co_await await_it(shot, through, 5);
            CHECK(through.size() == 6);
            CHECK(watch.elapsed() == 0ns);
        }
    });
}

TEST_CASE_TEMPLATE("one-shot laws: a cancelled or lost wait leaves no trace", Shot, ONE_SHOTS) {
    run_sim([]() -> rf::task<> {
        Shot shot(3);
        co_await prepare(shot);
        std::vector<int> through;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { co_await scope.run(await_it(shot, through, 1)); });
            all.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select(shot.wait(), rf::sleep_for(2ms));
                CHECK(won.index() == 1);
            });
            all.spawn(&await_it<Shot>, std::ref(shot), std::ref(through), 3);
            co_await rf::sleep_for(1ms);
            CHECK(shot.waiting() == 3);
            scope.cancel();
            co_await rf::sleep_for(2ms);
            CHECK(shot.waiting() == 1);
            shot.lost();
            shot.lost();
            CHECK(through.empty());
            shot.happen();
        });
        CHECK(through == std::vector{3});
        CHECK(shot.waiting() == 0);
    });
}

TEST_CASE_TEMPLATE("one-shot laws: let through and then cancelled, it has been let through", Shot,
                   ONE_SHOTS) {
    run_sim([]() -> rf::task<> {
        Shot shot(2);
        co_await prepare(shot);
        std::vector<int> through;
        rf::cancel_scope scope;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> { co_await scope.run(await_it(shot, through, 1)); });
            all.spawn(&await_it<Shot>, std::ref(shot), std::ref(through), 2);
            co_await rf::sleep_for(1ms);
            shot.happen();
            // Between threads nothing is granted from afar: its loop has to look first.
            if (shot.waiting() != 0) co_await rf::sleep_for(1us);
            scope.cancel();
        });
        CHECK(through == std::vector{1, 2});
    });
}

TEST_CASE_TEMPLATE("one-shot laws: a select waits for it, and is decided by it", Shot, ONE_SHOTS) {
    run_sim([]() -> rf::task<> {
        Shot shot(1);
        co_await prepare(shot);
        if constexpr (!std::is_same_v<Shot, of_barrier>) {
            auto not_yet = co_await rf::select(shot.wait(), rf::otherwise);
            CHECK(not_yet.index() == 1);
        }
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                auto won = co_await rf::select(rf::sleep_for(1h), shot.wait());
                CHECK(won.index() == 1);
            });
            co_await rf::sleep_for(1ms);
            shot.happen();
        });
        CHECK(shot.waiting() == 0);
        CHECK(rf::loop::here().account().timers == 0);
    });
}

TEST_CASE_TEMPLATE("one-shot laws: in a cancelled scope nobody passes, though it has happened",
                   Shot, ONE_SHOTS) {
    run_sim([]() -> rf::task<> {
        Shot shot(0);
        co_await prepare(shot);
        if constexpr (!std::is_same_v<Shot, of_barrier>) shot.happen();
        std::vector<int> through;
        rf::cancel_scope scope;
        scope.cancel();
        co_await scope.run(await_it(shot, through, 1));
        CHECK(through.empty());
        CHECK(shot.waiting() == 0);
    });
}

TEST_CASE_TEMPLATE("one-shot laws: cancels and timeouts in any order lose no wake-up", Shot,
                   ONE_SHOTS) {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        run_sim({.seed = seed}, [&]() -> rf::task<> {
            Shot shot(10);
            co_await prepare(shot);
            std::mt19937_64 random(seed);
            int through = 0;
            int gave_up = 0;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                for (int i = 0; i < 10; ++i) {
                    const auto patience = std::chrono::microseconds(1 + random() % 20);
                    const bool patient = random() % 3 == 0;
                    all.spawn([&, patience, patient]() -> rf::task<> {
                        bool passed = false;
                        auto work = [&]() -> rf::task<> {
                            (void)co_await shot.wait();
                            passed = true;
                        };
                        rf::cancel_scope scope;
                        if (!patient) scope.set_timeout(patience);
                        co_await scope.run(work());
                        ++(passed ? through : gave_up);
                        if (!passed) shot.lost();
                    });
                }
                co_await rf::sleep_for(std::chrono::microseconds(random() % 20));
                shot.happen();
            });
            CHECK(through + gave_up == 10);
            CHECK(shot.waiting() == 0);
        });
    });
}

TEST_CASE_TEMPLATE("one-shot laws: destroyed while waited for, it aborts by name and line", Shot,
                   ONE_SHOTS) {
    const auto end = rf::test::run_to_death([] {
        run_sim([]() -> rf::task<> {
            Shot shot(1);
            co_await prepare(shot);
            std::vector<int> through;
            co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                all.spawn(&await_it<Shot>, std::ref(shot), std::ref(through), 1);
                co_await rf::sleep_for(1ms);
                shot.destroy();
            });
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says(std::string(Shot::kind) + " made at"));
    CHECK(end.says("one_shot_laws_test.cpp:"));
    CHECK(end.says("destroyed while tasks wait on it"));
}

TEST_CASE_TEMPLATE("one-shot laws: a wait from another loop aborts by name and line", Shot,
                   ONE_SHOTS) {
    if constexpr (!std::is_same_v<Shot, of_shared_event>) {
        const auto end = rf::test::run_to_death([] {
            run_sim([]() -> rf::task<> {
                Shot shot(2);
                co_await prepare(shot);
                std::vector<int> through;
                co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
                    all.spawn(&await_it<Shot>, std::ref(shot), std::ref(through), 1);
                    co_await rf::sleep_for(1ms);
                    std::thread other([&] { run_sim([&] { return await_it(shot, through, 2); }); });
                    other.join();
                });
            });
        });
        CHECK(end.signal == SIGABRT);
        CHECK(end.says(std::string(Shot::kind) + " made at"));
        CHECK(end.says("it has waiters on another loop"));
    }
}
