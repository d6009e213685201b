// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <tests/support/run_sim.hpp>
#include <vector>

using namespace std::chrono_literals;
using rf::test::run_sim;
using rf::test::stopwatch;
using strings = std::vector<std::string>;

namespace {

/// Waits in a scope of its own that is cancelled after a millisecond.
template <class Body>
rf::task<> cancelled_after_1ms(Body body) {
    const bool finished = co_await rf::move_on_after(1ms, std::move(body));
    CHECK_FALSE(finished);
}

rf::task<> leave_with_guards(strings& ran, rf::task<> inside) {
    const rf::scope_exit always([&] { ran.push_back("exit"); });
    const rf::scope_failure failure([&] { ran.push_back("failure"); });
    const rf::scope_success success([&] { ran.push_back("success"); });
    co_await std::move(inside);
}

}  // namespace

TEST_CASE("shield: what runs under it is untouched by cancellation from outside") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        stopwatch watch;
        co_await cancelled_after_1ms([&]() -> rf::task<> {
            co_await rf::shield(1s, [&]() -> rf::task<> {
                co_await rf::sleep_for(10ms);
                CHECK_FALSE(rf::this_task::cancel_requested());
                steps.push_back("shielded");
            });
            steps.push_back("after");
            co_await rf::this_task::checkpoint();
            steps.push_back("never");
        });
        CHECK(watch.elapsed() == 10ms);
    });
    CHECK(steps == strings{"shielded", "after"});
}

TEST_CASE("shield: its value counts, and its deadline hides those outside") {
    run_sim([]() -> rf::task<> {
        const auto value = co_await rf::move_on_after(5ms, []() -> rf::task<int> {
            CHECK(rf::this_task::deadline().value() - rf::clock::now() == 5ms);
            const int inner = co_await rf::shield(50ms, []() -> rf::task<int> {
                CHECK(rf::this_task::deadline().value() - rf::clock::now() == 50ms);
                co_return 3;
            });
            co_return inner;
        });
        CHECK(value == 3);
    });
}

TEST_CASE("finally: runs its cleanup after a value, and hands the value on") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        const int value = co_await rf::finally(
            [&]() -> rf::task<int> {
                co_await rf::sleep_for(1ms);
                steps.push_back("body");
                co_return 5;
            },
            [&]() -> rf::task<> {
                co_await rf::sleep_for(1ms);
                steps.push_back("cleanup");
            });
        CHECK(value == 5);
    });
    CHECK(steps == strings{"body", "cleanup"});
}

TEST_CASE("finally: runs its cleanup on cancellation, shielded, and then unwinds on") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        stopwatch watch;
        co_await cancelled_after_1ms([&]() -> rf::task<> {
            co_await rf::finally(rf::sleep_forever(), [&]() -> rf::task<> {
                co_await rf::sleep_for(5ms);
                steps.push_back("cleanup");
            });
            steps.push_back("never");
        });
        CHECK(watch.elapsed() == 6ms);
    });
    CHECK(steps == strings{"cleanup"});
}

TEST_CASE("finally: nested cleanups run from the inside out") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        co_await cancelled_after_1ms([&]() -> rf::task<> {
            co_await rf::finally(
                [&] {
                    return rf::finally(rf::sleep_forever(), [&]() -> rf::task<> {
                        co_await rf::sleep_for(1ms);
                        steps.push_back("inner");
                    });
                },
                [&]() -> rf::task<> {
                    co_await rf::sleep_for(1ms);
                    steps.push_back("outer");
                });
        });
    });
    CHECK(steps == strings{"inner", "outer"});
}

TEST_CASE("finally: in a scope cancelled before, the body unwinds at once and the cleanup runs") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope scope;
        scope.cancel();
        (void)co_await scope.run([&]() -> rf::task<> {
            co_await rf::finally(rf::sleep_for(1ms), [&]() -> rf::task<> {
                co_await rf::sleep_for(1ms);
                steps.push_back("cleanup");
            });
            steps.push_back("never");
        });
    });
    CHECK(steps == strings{"cleanup"});
}

TEST_CASE("scope guards: a normal end is a success") {
    strings ran;
    run_sim([&]() -> rf::task<> {
        co_await leave_with_guards(ran, []() -> rf::task<> { co_await rf::sleep_for(1ms); }());
    });
    CHECK(ran == strings{"success", "exit"});
}

TEST_CASE("scope guards: cancellation is a failure, though no exception is on its way") {
    strings ran;
    run_sim([&]() -> rf::task<> {
        co_await cancelled_after_1ms([&]() -> rf::task<> {
            co_await leave_with_guards(ran, []() -> rf::task<> { co_await rf::sleep_forever(); }());
        });
        CHECK_FALSE(rf::this_task::unwinding());
    });
    CHECK(ran == strings{"failure", "exit"});
}

TEST_CASE("scope guards: one that was dismissed does nothing") {
    strings ran;
    run_sim([&]() -> rf::task<> {
        rf::scope_exit always([&] { ran.push_back("exit"); });
        rf::scope_success success([&] { ran.push_back("success"); });
        always.dismiss();
        success.dismiss();
        co_return;
    });
    CHECK(ran.empty());
}

TEST_CASE("scope guards: one made and left by a destructor during unwinding succeeds") {
    strings ran;
    struct commits_in_destructor {
        strings& into;
        ~commits_in_destructor() {
            CHECK(rf::this_task::unwinding());
            const rf::scope_success commit([this] { into.push_back("commit"); });
            const rf::scope_failure undo([this] { into.push_back("undo"); });
        }
    };
    run_sim([&]() -> rf::task<> {
        co_await cancelled_after_1ms([&]() -> rf::task<> {
            const commits_in_destructor local{ran};
            co_await rf::sleep_forever();
        });
    });
    CHECK(ran == strings{"commit"});
}

#if RF_EXCEPTIONS

TEST_CASE("shield: is cancelled after all when its own limit passes") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        stopwatch watch;
        co_await cancelled_after_1ms([&]() -> rf::task<> {
            try {
                co_await rf::shield(10ms, rf::sleep_forever());
            } catch (const rf::timeout_error& error) {
                CHECK(error.limit() == 10ms);
                steps.push_back("limit");
            }
            co_await rf::this_task::checkpoint();
            steps.push_back("never");
        });
        CHECK(watch.elapsed() == 10ms);
    });
    CHECK(steps == strings{"limit"});
}

TEST_CASE("finally: runs its cleanup on an exception, and the exception goes on") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        try {
            co_await rf::finally(
                []() -> rf::task<> {
                    co_await rf::sleep_for(1ms);
                    throw std::runtime_error("body");
                },
                [&]() -> rf::task<> {
                    co_await rf::sleep_for(1ms);
                    steps.push_back("cleanup");
                    throw std::runtime_error("cleanup");
                });
        } catch (const std::runtime_error& error) {
            steps.push_back(error.what());
        }
    });
    CHECK(steps == strings{"cleanup", "body"});
}

TEST_CASE("finally: a cleanup that throws takes the place of the value and of the unwinding") {
    strings steps;
    const auto fails = []() -> rf::task<> {
        throw std::runtime_error("cleanup");
        co_return;
    };
    run_sim([&]() -> rf::task<> {
        try {
            (void)co_await rf::finally([]() -> rf::task<int> { co_return 1; }, fails);
        } catch (const std::runtime_error& error) {
            steps.push_back(error.what());
        }
        try {
            (void)co_await rf::move_on_after(
                1ms, [&] { return rf::finally(rf::sleep_forever(), fails); });
        } catch (const std::runtime_error& error) {
            steps.push_back(error.what());
        }
    });
    CHECK(steps == strings{"cleanup", "cleanup"});
}

TEST_CASE("finally: a cleanup that takes longer than its limit is cancelled") {
    strings steps;
    run_sim([&]() -> rf::task<> {
        stopwatch watch;
        try {
            co_await rf::finally(rf::sleep_for(1ms), rf::sleep_forever(), {.limit = 20ms});
        } catch (const rf::timeout_error& error) {
            steps.push_back("limit");
            CHECK(error.limit() == 20ms);
        }
        CHECK(watch.elapsed() == 21ms);
    });
    CHECK(steps == strings{"limit"});
}

TEST_CASE("scope guards: an exception is a failure") {
    strings ran;
    run_sim([&]() -> rf::task<> {
        const auto fails = []() -> rf::task<> {
            throw std::runtime_error("no");
            co_return;
        };
        bool caught = false;
        try {
            co_await leave_with_guards(ran, fails());
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
    });
    CHECK(ran == strings{"failure", "exit"});
}

#endif
