// SPDX-License-Identifier: MIT
#include "cancel_each_turn.hpp"
#include "combinator_work.hpp"
#include "object_tracker.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/for_each_concurrent.hpp>
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;
#if RF_EXCEPTIONS
using test::message_of;
#endif
using strings = std::vector<std::string>;

namespace {

/// How many calls run now, and ran at most at a time.
struct gauge {
    int now = 0;
    int most = 0;
    int calls = 0;

    rf::task<> hold(std::chrono::milliseconds span) {
        ++calls;
        most = std::max(most, ++now);
        co_await rf::sleep_for(span);
        --now;
    }
};

}  // namespace

TEST_CASE("for_each_concurrent: runs as many calls at a time as the limit, and no more") {
    for (const std::uint32_t limit : {1u, 3u, 1000u}) {
        gauge calls;
        const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
            auto call = [&](int item) { return calls.hold(std::chrono::milliseconds(item % 5)); };
            co_await rf::for_each_concurrent(std::views::iota(0, 50), limit, call);
        });
        CHECK(report.status == 0);
        CHECK(calls.calls == 50);
        CHECK(calls.now == 0);
        CHECK(calls.most == std::min(50, static_cast<int>(limit)));
    }
}

#if RF_EXCEPTIONS
TEST_CASE("for_each_concurrent: a limit of zero is refused") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        co_await rf::for_each_concurrent(std::views::iota(0, 3), 0,
                                         [](int) -> rf::task<> { co_return; });
    });
    CHECK(message_of(report.error).find("give at least 1") != std::string::npos);
}
#endif

TEST_CASE("for_each_concurrent: takes an item only when there is room for it") {
    int taken = 0;
    std::vector<int> taken_at_call;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto items = std::views::iota(0) | std::views::transform([&](int i) {
                         ++taken;
                         return i;
                     });
        auto call = [&](int) -> rf::task<> {
            taken_at_call.push_back(taken);
            co_await rf::sleep_for(10ms);
        };
        // Endless: only the timeout ends it.
        const bool ended = co_await rf::move_on_after(
            35ms, [&] { return rf::for_each_concurrent(items, 2, call); });
        CHECK_FALSE(ended);
    });
    CHECK(report.status == 0);
    CHECK(taken_at_call.size() == 8);
    CHECK(taken == 8);
}

TEST_CASE("for_each_concurrent: looks for the next item only when there is room for it") {
    int looked_at = 0;
    std::vector<int> looked_at_call;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto items = std::views::iota(0, 5) | std::views::filter([&](int) {
                         ++looked_at;
                         return true;
                     });
        auto call = [&](int) -> rf::task<> {
            looked_at_call.push_back(looked_at);
            co_await rf::sleep_for(10ms);
        };
        co_await rf::for_each_concurrent(items, 1, call);
    });
    CHECK(report.status == 0);
    CHECK(looked_at_call == std::vector<int>{1, 2, 3, 4, 5});
}

TEST_CASE("for_each_concurrent: items of a container are passed by reference") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        std::vector<int> numbers{1, 2, 3};
        co_await rf::for_each_concurrent(numbers, 2, [](int& number) -> rf::task<> {
            co_await rf::this_task::yield();
            number *= 10;
        });
        CHECK(numbers == std::vector<int>{10, 20, 30});
    });
    CHECK(report.status == 0);
}

TEST_CASE("for_each_concurrent: a range that was moved in is kept and its items move on") {
    int sum = 0;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        std::vector<std::unique_ptr<int>> numbers;
        for (int i = 1; i <= 4; ++i)
            numbers.push_back(std::make_unique<int>(i));
        auto add = [&](std::unique_ptr<int> number) -> rf::task<> {
            co_await rf::this_task::yield();
            sum += *number;
        };
        co_await rf::for_each_concurrent(std::move(numbers), 2, add);
        std::vector<std::string> texts{"a long text that is not kept in the string itself", "b"};
        auto measure = [&](const std::string& text) -> rf::task<> {
            co_await rf::sleep_for(1ms);
            sum += static_cast<int>(text.size());
        };
        auto each = rf::for_each_concurrent(std::move(texts), 2, measure);
        co_await std::move(each);
    });
    CHECK(sum == 10 + 49 + 1);
    CHECK(report.status == 0);
}

TEST_CASE("for_each_concurrent: items of a range that is read once are copied into their calls") {
    std::vector<int> seen;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        std::istringstream text("1 2 3 4 5");
        auto note = [&](const int& number) -> rf::task<> {
            co_await rf::sleep_for(5ms);
            seen.push_back(number);
        };
        co_await rf::for_each_concurrent(std::views::istream<int>(text), 5, note);
    });
    CHECK(seen == std::vector<int>{1, 2, 3, 4, 5});
    CHECK(report.status == 0);
}

#if RF_EXCEPTIONS
TEST_CASE("for_each_concurrent: the first failure cancels the rest and takes no further item") {
    gauge calls;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto call = [&](int item) -> rf::task<> {
            ++calls.calls;
            if (item == 3) throw std::runtime_error("item 3");
            co_await rf::sleep_for(1h);
        };
        co_await rf::for_each_concurrent(std::views::iota(0), 4, call);
    });
    CHECK(message_of(report.error) == "item 3");
    CHECK(calls.calls == 4);
}

TEST_CASE("for_each_concurrent: a range that throws cancels the calls") {
    gauge calls;
    const auto report = rf::test::report_sim({}, [&]() -> rf::task<> {
        auto items = std::views::iota(0) | std::views::transform([](int i) {
                         if (i == 2) throw std::runtime_error("no more");
                         return i;
                     });
        auto call = [&](int item) { return calls.hold(item == 0 ? 10ms : 1h); };
        co_await rf::for_each_concurrent(items, 2, call);
    });
    CHECK(message_of(report.error) == "no more");
    CHECK(calls.calls == 2);
    CHECK(calls.now == 1);  // the second was cancelled in its sleep
}
#endif

TEST_CASE("for_each_concurrent: an empty range is a cancel point") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        std::vector<int> none;
        auto call = [](int) -> rf::task<> { co_return; };
        co_await rf::for_each_concurrent(none, 1, call);
        rf::cancel_scope scope;
        scope.cancel();
        const bool ended =
            co_await scope.run([&] { return rf::for_each_concurrent(none, 1, call); });
        CHECK_FALSE(ended);
    });
    CHECK(report.status == 0);
}

TEST_CASE("for_each_concurrent: 20000 short calls leave the frame pool as it was") {
    const auto report = rf::test::report_sim({}, []() -> rf::task<> {
        int done = 0;
        auto call = [&](int) -> rf::task<> {
            co_await rf::this_task::yield();
            ++done;
        };
        co_await rf::for_each_concurrent(std::views::iota(0, 100), 10, call);
        const auto before = rf::frame_pool::statistics();
        co_await rf::for_each_concurrent(std::views::iota(0, 20'000), 10, call);
        CHECK(rf::frame_pool::statistics().blocks_live == before.blocks_live);
        CHECK(done == 20'100);
    });
    CHECK(report.status == 0);
    CHECK(report.final.tasks_peak <= 11);
}

TEST_CASE("for_each_concurrent: a cancel at any turn leaves nothing behind") {
    test::object_ledger objects;
    const int runs = test::cancel_each_turn(
        [&]() -> rf::task<> {
            auto call = [&](int turns) -> rf::task<> {
                test::tracked mine(objects);
                co_await test::yields(turns);
            };
            co_await rf::for_each_concurrent(std::views::iota(1, 6), 2, call);
        },
        [&](bool) { CHECK(objects.clean()); });
    CHECK(runs > 8);
}
