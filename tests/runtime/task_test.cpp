// SPDX-License-Identifier: MIT
#include "object_tracker.hpp"
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <tests/runtime/sim_report.hpp>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

rf::task<int> number(int value) { co_return value; }
rf::task<> note(std::vector<int>& seen, int value) {
    seen.push_back(value);
    co_return;
}
rf::task<int&> reference_to(int& target) { co_return target; }
rf::task<std::unique_ptr<int>> owned(int value) { co_return std::make_unique<int>(value); }

/// How far down the machine stack the caller is.
[[gnu::always_inline]] inline std::uintptr_t stack_here() {
    return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

rf::task<int> leaf(int value) { co_return value + 1; }
rf::task<int> middle(int value) { co_return co_await leaf(value); }

rf::task<std::uint64_t> recursion(int depth, std::uintptr_t& deepest) {
    if (depth == 0) {
        deepest = stack_here();
        co_return 0;
    }
    const std::uint64_t below = co_await recursion(depth - 1, deepest);
    co_return below + 1;
}

}  // namespace

TEST_CASE("task: does nothing until it is awaited, and then gives its value") {
    std::vector<int> seen;
    int value = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        auto later = note(seen, 2);
        seen.push_back(1);
        co_await std::move(later);
        value = co_await number(3);
    });
    CHECK(report.status == 0);
    CHECK(seen == std::vector{1, 2});
    CHECK(value == 3);
}

TEST_CASE("task: hands on references and values that can only be moved") {
    int target = 1;
    const auto report = test::run_sim([&]() -> rf::task<> {
        int& same = co_await reference_to(target);
        same = 7;
        auto got = co_await owned(5);
        CHECK(*got == 5);
        CHECK(&same == &target);
    });
    CHECK(report.status == 0);
    CHECK(target == 7);
}

TEST_CASE("task: is empty once it has been moved from") {
    const auto report = test::run_sim([]() -> rf::task<> {
        rf::task<int> none;
        CHECK_FALSE(static_cast<bool>(none));
        auto first = number(4);
        CHECK(static_cast<bool>(first));
        rf::task<int> second = std::move(first);
        CHECK_FALSE(static_cast<bool>(first));
        none = std::move(second);
        const int value = co_await std::move(none);
        CHECK(value == 4);
    });
    CHECK(report.status == 0);
}

TEST_CASE("task: one that is never awaited is destroyed without running, its arguments with it") {
    test::object_ledger objects;
    bool ran = false;
    const auto body = [&ran](test::tracked) -> rf::task<> {
        ran = true;
        co_return;
    };
    const auto report = test::run_sim([&]() -> rf::task<> {
        {
            auto unused = body(test::tracked(objects));
            CHECK(objects.live.size() == 1);
        }
        CHECK(objects.live.empty());
        co_return;
    });
    CHECK(report.status == 0);
    CHECK_FALSE(ran);
    CHECK(objects.clean());
}

TEST_CASE("task: replacing a task by assignment destroys the old one") {
    test::object_ledger objects;
    const auto body = [](test::tracked) -> rf::task<> { co_return; };
    const auto report = test::run_sim([&]() -> rf::task<> {
        auto held = body(test::tracked(objects, "old"));
        held = body(test::tracked(objects, "new"));
        CHECK(objects.order == std::vector<std::string>{"old"});
        co_await std::move(held);
        CHECK(objects.order == std::vector<std::string>{"old", "new"});
    });
    CHECK(report.status == 0);
    CHECK(objects.clean());
}

TEST_CASE("task: its frame and locals are gone when the await is over, not before") {
    test::object_ledger objects;
    const auto report = test::run_sim([&]() -> rf::task<> {
        const auto child = [&]() -> rf::task<int> {
            test::tracked local(objects);
            co_await rf::sleep_for(1ms);
            CHECK(objects.live.size() == 1);
            co_return 1;
        };
        const int one = co_await child();
        CHECK(one == 1);
        CHECK(objects.live.empty());
    });
    CHECK(report.status == 0);
}

TEST_CASE("task: frames go back to the pool") {
    std::size_t before = 0;
    std::size_t after = 1;
    const auto report = test::run_sim([&]() -> rf::task<> {
        (void)co_await middle(1);
        before = rf::frame_pool::statistics().blocks_live;
        for (int i = 0; i < 1000; ++i)
            (void)co_await middle(i);
        after = rf::frame_pool::statistics().blocks_live;
    });
    CHECK(report.status == 0);
    CHECK(after == before);
}

TEST_CASE("task: a million awaits that need not wait leave the stack flat") {
    std::uintptr_t first = 0;
    std::uintptr_t last = 0;
    std::uint64_t sum = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        first = stack_here();
        for (int i = 0; i < 1'000'000; ++i) {
            const int got = co_await middle(i);
            sum += static_cast<std::uint64_t>(got - i);
        }
        last = stack_here();
    });
    CHECK(report.status == 0);
    CHECK(sum == 1'000'000);
    CHECK((first > last ? first - last : last - first) < 4096);
}

TEST_CASE("task: recursion a million deep leaves the stack flat") {
    // The frames take 200 MB, and more under a sanitizer: a tenth of it then, unless at full
    // length.
    const bool shorter = RF_PLAIN_FRAMES != 0 && std::getenv("RF_TEST_ALL") == nullptr;
    const int wanted = shorter ? 100'000 : 1'000'000;
    std::uintptr_t top = 0;
    std::uintptr_t deepest = 0;
    std::uint64_t depth = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        top = stack_here();
        depth = co_await recursion(wanted, deepest);
    });
    CHECK(report.status == 0);
    CHECK(depth == static_cast<std::uint64_t>(wanted));
    CHECK((top > deepest ? top - deepest : deepest - top) < 4096);
}

TEST_CASE("task: one that never waits gives way after its hops, and loses nothing") {
    rf::run_options options;
    options.limits.hops_max = 16;
    int turns_of_other = 0;
    bool ended = false;
    const auto report = test::run_sim(
        [&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> {
                    for (int i = 0; i < 1000; ++i) {
                        const int got = co_await leaf(i);
                        CHECK(got == i + 1);
                    }
                    ended = true;
                });
                both.spawn([&]() -> rf::task<> {
                    while (!ended) {
                        ++turns_of_other;
                        co_await rf::this_task::yield();
                    }
                });
                co_return;
            });
        },
        options);
    CHECK(report.status == 0);
    CHECK(ended);
    CHECK(turns_of_other > 50);
}

#if RF_EXCEPTIONS

TEST_CASE("task: an exception goes to whoever awaits, with its own type") {
    int caught = 0;
    const auto report = test::run_sim([&]() -> rf::task<> {
        const auto fails = []() -> rf::task<int> {
            co_await rf::sleep_for(1ms);
            throw std::out_of_range("here");
        };
        try {
            (void)co_await fails();
        } catch (const std::out_of_range& thrown) {
            CHECK(std::string(thrown.what()) == "here");
            ++caught;
        }
    });
    CHECK(report.status == 0);
    CHECK(caught == 1);
}

TEST_CASE("task: an exception destroys each frame once, from the leaf to the root") {
    test::object_ledger objects;
    const auto report = test::run_sim([&]() -> rf::task<> {
        const auto leaf_fails = [&]() -> rf::task<> {
            test::tracked local(objects, "leaf");
            co_await rf::sleep_for(1ms);
            throw std::runtime_error("no");
        };
        const auto mid = [&]() -> rf::task<> {
            test::tracked local(objects, "mid");
            co_await leaf_fails();
        };
        bool caught = false;
        try {
            test::tracked local(objects, "root");
            co_await mid();
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
    });
    CHECK(report.status == 0);
    CHECK(objects.order == std::vector<std::string>{"leaf", "mid", "root"});
    CHECK(objects.clean());
}

TEST_CASE("task: an exception thrown by a parameter's copy starts nothing") {
    struct throws_on_copy {
        throws_on_copy() = default;
        throws_on_copy(const throws_on_copy&) { throw std::runtime_error("copy"); }
    };
    bool ran = false;
    const auto report = test::run_sim([&]() -> rf::task<> {
        const auto takes = [&ran](throws_on_copy) -> rf::task<> {
            ran = true;
            co_return;
        };
        const throws_on_copy value;
        bool caught = false;
        try {
            auto never = takes(value);
            co_await std::move(never);
        } catch (const std::runtime_error&) {
            caught = true;
        }
        CHECK(caught);
    });
    CHECK(report.status == 0);
    CHECK_FALSE(ran);
}

#endif
