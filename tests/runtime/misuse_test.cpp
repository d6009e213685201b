// SPDX-License-Identifier: MIT
// What only a bug in the program can do ends the process, with a sentence that says what it was.
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <sys/wait.h>
#include <tests/support/death.hpp>
#include <tests/support/run_sim.hpp>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;
using rf::test::run_sim;
using rf::test::run_to_death;

namespace {

rf::task<int> number() { co_return 1; }
rf::task<> sleeper() { co_await rf::sleep_forever(); }

/// A coroutine of somebody else's, which starts at once and belongs to nobody.
struct stranger {
    struct promise_type {
        stranger get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::abort(); }
    };
};

/// Runs `fn` where it must end the process, and looks for `sentence` in what it says.
void expect_abort(const std::string& sentence, const std::function<void()>& fn) {
    INFO(sentence);
    const auto end = run_to_death(fn);
    CHECK(end.signal == SIGABRT);
    INFO("said: " << end.said);
    CHECK(end.says(sentence));
}

/// The same for a program.
void expect_abort_of(const std::string& sentence, const std::function<rf::task<>()>& program) {
    expect_abort(sentence, [&] { run_sim([&] { return program(); }); });
}

}  // namespace

TEST_CASE("misuse: a task awaited twice") {
    expect_abort_of("an empty task was awaited: it was awaited before, or moved from",
                    []() -> rf::task<> {
                        auto once = number();
                        (void)co_await std::move(once);
                        (void)co_await std::move(once);
                    });
}

TEST_CASE("misuse: a join_handle awaited twice, by two tasks, or empty") {
    expect_abort_of("a join_handle was awaited twice", []() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            auto handle = jobs.async(number);
            (void)co_await handle;
            (void)co_await handle;
        });
    });
    expect_abort_of("two tasks await one join_handle", []() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            auto handle = jobs.async(sleeper);
            const auto waits = [&handle]() -> rf::task<> { co_await handle; };
            jobs.spawn(waits);
            co_await waits();
        });
    });
    expect_abort_of("an empty join_handle was awaited", []() -> rf::task<> {
        const rf::join_handle<int> none;
        (void)co_await none;
    });
}

TEST_CASE("misuse: a join_handle destroyed while a task awaits it") {
    expect_abort_of("a join_handle was destroyed while a task awaits it", []() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            auto handle = std::make_unique<rf::join_handle<void>>(jobs.async(sleeper));
            const auto waits = [&handle]() -> rf::task<> { co_await *handle; };
            jobs.spawn(waits);
            co_await rf::sleep_for(1ms);
            handle.reset();
        });
    });
}

TEST_CASE("misuse: an operation awaited outside a task") {
    const std::string sentence =
        "a ringfence operation was awaited outside a ringfence task; start "
        "tasks with rf::run or nursery::spawn";
    expect_abort(sentence, [] { []() -> stranger { co_await rf::sleep_forever(); }(); });
    expect_abort(sentence, [] { []() -> stranger { co_await rf::this_task::checkpoint(); }(); });
    expect_abort(sentence, [] { []() -> stranger { co_await rf::this_task::yield(); }(); });
}

TEST_CASE("misuse: what needs a task or a loop, where there is none") {
    expect_abort("this_task is for code that runs in a task", [] { (void)rf::this_task::id(); });
    expect_abort("this needs a running loop: call it from a task under rf::run, on its own thread",
                 [] { (void)rf::clock::now(); });
    expect_abort("this needs a running loop", [] { (void)rf::root_nursery(); });
}

TEST_CASE("misuse: a run inside a run") {
    expect_abort_of("this thread runs a loop already; rf::run cannot be called from inside rf::run",
                    []() -> rf::task<> {
                        (void)rf::run([]() -> rf::task<> { co_return; });
                        co_return;
                    });
}

TEST_CASE("misuse: a loop destroyed with work pending says what is pending") {
    expect_abort("a loop was destroyed with work pending: 1 tasks", [] {
        auto world = rf::test::make_world({});
        auto owner =
            std::make_unique<rf::loop>(std::make_unique<rf::leakcheck::simulated_driver>(world));
        auto jobs = std::make_unique<rf::nursery>(rf::nursery_options{.name = "abandoned"},
                                                  std::source_location::current());
        jobs->open(&owner->root(), nullptr);
        jobs->spawn(sleeper);
        owner->turn(false);
        owner.reset();
    });
}

TEST_CASE("misuse: a nursery destroyed while a task waits for a place in it") {
    expect_abort_of(
        "a nursery was destroyed while tasks wait for a place in it", []() -> rf::task<> {
            co_await rf::with_nursery([](rf::nursery& outer) -> rf::task<> {
                co_await rf::with_nursery({.limit = 1}, [&](rf::nursery& jobs) -> rf::task<> {
                    jobs.spawn([]() -> rf::task<> { co_await rf::sleep_for(1ms); });
                    // Fills the place again, for ever in front of the other.
                    outer.spawn([&jobs]() -> rf::task<> { co_await jobs.wait_for_place(); });
                    outer.spawn(
                        [&jobs]() -> rf::task<> { co_await jobs.spawn_when_free(sleeper); });
                    co_return;
                });
            });
        });
}

TEST_CASE("misuse: one cancel_scope with two bodies at a time") {
    expect_abort_of("a cancel_scope runs one body at a time", []() -> rf::task<> {
        rf::cancel_scope scope;
        (void)co_await scope.run(
            [&]() -> rf::task<> { (void)co_await scope.run(rf::sleep_for(1ms)); });
    });
}

TEST_CASE("misuse: a foreign awaitable that destroys the handle it was given") {
    struct destroys {
        bool await_ready() { return false; }
        void await_suspend(std::coroutine_handle<> handle) { handle.destroy(); }
        void await_resume() {}
    };
    expect_abort_of("a foreign awaitable destroyed the handle it was given; it may only resume it",
                    []() -> rf::task<> { co_await destroys(); });
}

TEST_CASE("misuse: a foreign awaitable that resumes the handle twice") {
    struct resumes_twice {
        bool await_ready() { return false; }
        void await_suspend(std::coroutine_handle<> handle) {
            handle.resume();
            handle.resume();
        }
        void await_resume() {}
    };
    const std::string sentence = "a foreign awaitable resumed its handle twice, or after it threw";
    expect_abort_of(sentence, []() -> rf::task<> { co_await resumes_twice(); });
    struct resumes_and_goes_on {
        bool await_ready() { return false; }
        bool await_suspend(std::coroutine_handle<> handle) {
            handle.resume();
            return false;
        }
        void await_resume() {}
    };
    expect_abort_of(sentence, []() -> rf::task<> { co_await resumes_and_goes_on(); });
}

TEST_CASE("misuse: a loop's things used from another thread") {
    expect_abort_of("this needs a running loop", []() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            std::thread([&jobs] { jobs.spawn(sleeper); }).join();
            co_return;
        });
    });
    expect_abort_of("a scope was cancelled from a thread that does not run its loop; post to its "
                    "loop instead",
                    []() -> rf::task<> {
                        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
                            std::thread([&jobs] { jobs.cancel(); }).join();
                            co_return;
                        });
                    });
    expect_abort_of("a task was woken from a thread that does not run its loop",
                    []() -> rf::task<> {
                        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
                            rf::started<>* word = nullptr;
                            jobs.spawn([&word]() -> rf::task<> {
                                co_await rf::sleep_for(1ms);
                                std::thread([&word] { (*word)(); }).join();
                            });
                            co_await jobs.start([&word](rf::started<> ready) -> rf::task<> {
                                word = &ready;
                                co_await rf::sleep_forever();
                            });
                        });
                    });
}

TEST_CASE("misuse: a fork inside a running loop, whose child goes on with the loop") {
    const auto end = run_to_death([] {
        (void)rf::run([]() -> rf::task<> {
            co_await rf::sleep_for(1ms);
            const pid_t child = fork();
            if (child != 0) {
                int status = 0;
                (void)waitpid(child, &status, 0);
                std::_Exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1);
            }
            co_await rf::sleep_for(1ms);
            std::_Exit(2);
        });
    });
    CHECK(end.status == 0);
    CHECK(end.says("a loop was used in a child made by fork(): it belongs to the parent"));
}

#if !RF_EXCEPTIONS
TEST_CASE("misuse: what would throw, in a build without exceptions") {
    expect_abort_of("timed out after 1 ms",
                    []() -> rf::task<> { co_await rf::with_timeout(1ms, rf::sleep_forever()); });
}
#endif
