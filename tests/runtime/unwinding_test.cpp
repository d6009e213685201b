// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <tests/support/lifetime_tracker.hpp>
#include <tests/support/run_sim.hpp>
#include <vector>

using namespace std::chrono_literals;
using rf::test::lifetime_tracker;
using rf::test::lifetimes;
using rf::test::run_sim;
using strings = std::vector<std::string>;

namespace {

constexpr int deep = 100'000;

rf::task<> wait_at(int depth, lifetimes& book) {
    const lifetime_tracker local(book, std::to_string(depth));
    if (depth == 0)
        co_await rf::sleep_forever();
    else
        co_await wait_at(depth - 1, book);
}

/// How far the machine stack reaches when destructors run.
struct stack_probe {
    std::uintptr_t lowest = UINTPTR_MAX;
    std::uintptr_t highest = 0;
    std::size_t count = 0;
    bool leaf_to_root = true;  // depth 0 first, then 1, ...
    [[gnu::noinline]] void note(int depth) {
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        lowest = here < lowest ? here : lowest;
        highest = here > highest ? here : highest;
        if (static_cast<std::size_t>(depth) != count++) leaf_to_root = false;
    }
};
struct probing {
    probing(stack_probe& to, int at) : probe(to), depth(at) {}
    probing(const probing&) = delete;
    ~probing() { probe.note(depth); }
    stack_probe& probe;
    int depth;
};

rf::task<> probed(int depth, stack_probe& probe) {
    const probing local(probe, depth);
    if (depth == 0)
        co_await rf::sleep_forever();
    else
        co_await probed(depth - 1, probe);
}

rf::task<> probed_in_scopes(int depth, stack_probe& probe) {
    const probing local(probe, depth);
    if (depth == 0)
        co_await rf::sleep_forever();
    else
        (void)co_await rf::move_on_after(1h, [&] { return probed_in_scopes(depth - 1, probe); });
}

rf::task<> probed_in_nurseries(int depth, stack_probe& probe) {
    const probing local(probe, depth);
    if (depth == 0)
        co_await rf::sleep_forever();
    else
        co_await rf::with_nursery([&](rf::nursery& inner) -> rf::task<> {
            inner.spawn(probed_in_nurseries, depth - 1, std::ref(probe));
            co_return;
        });
}

}  // namespace

TEST_CASE("unwinding: destroys each frame once, from the leaf to the root") {
    for (int depth = 0; depth < 3; ++depth) {
        lifetimes book;
        run_sim([&]() -> rf::task<> {
            const bool finished =
                co_await rf::move_on_after(1ms, [&] { return wait_at(depth, book); });
            CHECK_FALSE(finished);
        });
        strings expected;
        for (int i = 0; i <= depth; ++i)
            expected.push_back(std::to_string(i));
        CHECK(book.ends == expected);
        CHECK(book.live() == 0);
        CHECK(book.destroyed_twice == 0);
    }
}

TEST_CASE("unwinding: locals of a frame go in the reverse order, arguments last") {
    lifetimes book;
    run_sim([&]() -> rf::task<> {
        const auto body = [&](lifetime_tracker) -> rf::task<> {
            const lifetime_tracker first(book, "first");
            const lifetime_tracker second(book, "second");
            co_await rf::sleep_forever();
        };
        (void)co_await rf::move_on_after(1ms,
                                         [&] { return body(lifetime_tracker(book, "argument")); });
    });
    CHECK(book.ends == strings{"second", "first", "argument"});
    CHECK(book.live() == 0);
}

TEST_CASE("unwinding: an object alive in the awaiting expression is destroyed once") {
    lifetimes book;
    run_sim([&]() -> rf::task<> {
        const auto body = [](lifetime_tracker, const lifetime_tracker&) -> rf::task<int> {
            co_await rf::sleep_forever();
            co_return 1;
        };
        (void)co_await rf::move_on_after(1ms, [&]() -> rf::task<> {
            const int got =
                co_await body(lifetime_tracker(book, "value"), lifetime_tracker(book, "reference"));
            CHECK(got == 0);
        });
    });
    CHECK(book.live() == 0);
    CHECK(book.destroyed_twice == 0);
}

TEST_CASE("unwinding: a hundred thousand nested awaits leave the stack flat") {
    stack_probe probe;
    run_sim([&]() -> rf::task<> {
        (void)co_await rf::move_on_after(1ms, [&] { return probed(deep, probe); });
    });
    CHECK(probe.count == deep + 1);
    CHECK(probe.leaf_to_root);
    CHECK(probe.highest - probe.lowest < 4096);
}

TEST_CASE("unwinding: a hundred thousand nested scopes leave the stack flat") {
    stack_probe probe;
    run_sim([&]() -> rf::task<> {
        (void)co_await rf::move_on_after(1ms, [&] { return probed_in_scopes(deep, probe); });
    });
    CHECK(probe.count == deep + 1);
    CHECK(probe.leaf_to_root);
    CHECK(probe.highest - probe.lowest < 4096);
}

TEST_CASE("unwinding: ten thousand nested nurseries leave the stack flat") {
    stack_probe probe;
    run_sim([&]() -> rf::task<> {
        (void)co_await rf::move_on_after(1ms, [&] { return probed_in_nurseries(10'000, probe); });
    });
    CHECK(probe.count == 10'001);
    CHECK(probe.leaf_to_root);
    CHECK(probe.highest - probe.lowest < 4096);
}

TEST_CASE("unwinding: a task cancelled before it first ran is destroyed without running") {
    lifetimes book;
    bool ran = false;
    run_sim([&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(
                [&](lifetime_tracker) -> rf::task<> {
                    ran = true;
                    co_return;
                },
                lifetime_tracker(book));
            jobs.cancel();
            co_return;
        });
    });
    CHECK_FALSE(ran);
    CHECK(book.live() == 0);
}

TEST_CASE("unwinding: a destructor may cancel other scopes and spawn nothing by it") {
    int ended = 0;
    run_sim([&]() -> rf::task<> {
        rf::cancel_scope other;
        struct cancels {
            rf::cancel_scope& scope;
            ~cancels() { scope.cancel("by a destructor"); }
        };
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                (void)co_await other.run(rf::sleep_forever());
                ++ended;
            });
            jobs.spawn([&]() -> rf::task<> {
                (void)co_await rf::move_on_after(1ms, [&]() -> rf::task<> {
                    const cancels local{other};
                    co_await rf::sleep_forever();
                });
                ++ended;
            });
            co_return;
        });
        CHECK(other.reason() == "by a destructor");
    });
    CHECK(ended == 2);
}

TEST_CASE("unwinding: is seen by destructors alone") {
    bool seen = false;
    bool after = true;
    run_sim([&]() -> rf::task<> {
        struct looks {
            bool& into;
            ~looks() { into = rf::this_task::unwinding(); }
        };
        bool normal = true;
        {
            const looks local{normal};
        }
        CHECK_FALSE(normal);
        (void)co_await rf::move_on_after(1ms, [&]() -> rf::task<> {
            const looks local{seen};
            co_await rf::sleep_forever();
        });
        after = rf::this_task::unwinding();
    });
    CHECK(seen);
    CHECK_FALSE(after);
}
