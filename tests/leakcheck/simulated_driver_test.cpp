// SPDX-License-Identifier: MIT
#include "simulated_requests.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using rf::completion;
using rf::leakcheck::choices;
using rf::leakcheck::simulated_options;
using rf::test::bare_world;
namespace prep = rf::detail::prep;

TEST_CASE("simulated driver: sleeping costs virtual time and no real one") {
    rf::test::run_sim([]() -> rf::task<> {
        const rf::test::stopwatch watch;
        co_await rf::sleep_for(24h);
        CHECK(watch.elapsed() == 24h);
    });
}

TEST_CASE(
    "simulated driver: for a watcher's timer alone no time passes while a thread is waited for") {
    rf::leakcheck::simulated_options without_patience = simulated_options::plain();
    without_patience.patience = {};
    rf::leakcheck::simulated_kernel kernel(without_patience);
    auto program = []() -> rf::task<> {
        std::latch begun(1);
        auto cancel = [&]() -> rf::task<> {
            begun.wait();
            rf::root_nursery().cancel();  // from here on a timer runs, to say who holds it up
            co_return;
        };
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(cancel);
            co_await rf::offload([&] {
                begun.count_down();
                for (int i = 0; i < 20'000; ++i)  // while the loop falls asleep
                    std::this_thread::yield();
            });
        });
    };
    const rf::run_report report =
        rf::run_and_report(program, {}, std::make_unique<rf::leakcheck::simulated_driver>(kernel));
    CHECK(report.cancelled);
    CHECK(kernel.time() < rf::instant{1'000'000'000});
}

TEST_CASE("simulated driver: wait returns when its time has come") {
    bare_world world;
    world.driver.wait(5'000);
    CHECK(world.kernel.time() == 5'000);
    world.driver.wait(4'000);
    CHECK(world.kernel.time() == 5'000);
}

TEST_CASE("simulated driver: time stands still while a completion is due") {
    bare_world world(simulated_options::plain());
    prep::nop(world.request(1));
    world.driver.wait(1'000'000);
    CHECK(world.kernel.time() == 0);
    CHECK(world.take().size() == 1);
}

TEST_CASE("simulated driver: all due requests complete once, in an order that the seed decides") {
    std::set<std::vector<std::uint64_t>> orders;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        bare_world world({}, choices::seeded(seed));
        for (std::uint64_t number = 1; number <= 4; ++number)
            prep::nop(world.request(number));
        std::vector<std::uint64_t> order;
        for (const completion& one : world.settle())
            order.push_back(one.user_data);
        auto sorted = order;
        std::ranges::sort(sorted);
        CHECK(sorted == std::vector<std::uint64_t>{1, 2, 3, 4});
        orders.insert(order);
    }
    CHECK(orders.size() == 24);
}

TEST_CASE("simulated driver: a depth-first search visits every order exactly once") {
    auto options = simulated_options::plain();
    std::set<std::vector<std::uint64_t>> orders;
    int runs = 0;
    std::optional<choices> script = choices::scripted({});
    while (script.has_value()) {
        bare_world world(options, std::move(*script));
        for (std::uint64_t number = 1; number <= 4; ++number)
            prep::nop(world.request(number));
        std::vector<std::uint64_t> order;
        for (const completion& one : world.settle())
            order.push_back(one.user_data);
        orders.insert(order);
        ++runs;
        script = world.kernel.choices().next();
    }
    CHECK(runs == 24);
    CHECK(orders.size() == 24);
}

TEST_CASE("simulated driver: a token reproduces a run") {
    const auto run = [](choices decisions, std::string& token) {
        bare_world world({}, std::move(decisions));
        for (std::uint64_t number = 1; number <= 9; ++number)
            prep::nop(world.request(number));
        std::vector<std::uint64_t> seen;
        for (const completion& one : world.settle())
            seen.push_back(one.user_data);
        seen.push_back(static_cast<std::uint64_t>(world.kernel.time()));
        token = world.kernel.choices().token();
        return seen;
    };
    rf::test::for_seeds(50, [&](std::uint64_t seed) {
        std::string by_seed;
        std::string by_script;
        const auto first = run(choices::seeded(seed), by_seed);
        CHECK(run(choices::from_token(by_seed).value(), by_seed) == first);
        // The same decisions, written out.
        bare_world world({}, choices::seeded(seed));
        for (std::uint64_t number = 1; number <= 9; ++number)
            prep::nop(world.request(number));
        (void)world.settle();
        std::vector<std::uint32_t> script;
        for (const auto& made : world.kernel.choices().trace())
            script.push_back(made.chosen);
        CHECK(run(choices::scripted(script), by_script) == first);
        CHECK(run(choices::from_token(by_script).value(), by_script) == first);
    });
    CHECK_FALSE(choices::from_token("").has_value());
    CHECK_FALSE(choices::from_token("sxyz").has_value());
    CHECK_FALSE(choices::from_token("t!").has_value());
    CHECK_FALSE(choices::from_token("t~").has_value());
}

TEST_CASE("simulated driver: entries that the ring has no room for go first the next time") {
    rf::test::for_seeds(50, [](std::uint64_t seed) {
        simulated_options options;
        options.sq_entries = 4;
        options.cq_entries = 8;
        options.short_submits = 500;
        bare_world world(options, choices::seeded(seed));
        for (std::uint64_t number = 1; number <= 1000; ++number)
            prep::nop(world.request(number));
        const auto all = world.settle();
        std::set<std::uint64_t> numbers;
        for (const completion& one : all)
            numbers.insert(one.user_data);
        CHECK(all.size() == 1000);
        CHECK(numbers.size() == 1000);
    });
}

TEST_CASE("simulated driver: a full completion queue loses nothing and says so") {
    auto options = simulated_options::plain();
    options.cq_entries = 8;
    bare_world world(options);
    for (std::uint64_t number = 1; number <= 20; ++number)
        prep::nop(world.request(number));
    world.driver.poll();
    CHECK(world.driver.has_deferred());
    CHECK(world.take().size() == 8);
    CHECK(world.settle().size() == 12);
    CHECK_FALSE(world.driver.has_deferred());
}

TEST_CASE("simulated driver: an injected result has no effect and comes once") {
    bare_world world(simulated_options::plain());
    const auto [near, far] = world.kernel.make_stream_pair();
    world.kernel.inject(IORING_OP_SEND, 2, -EIO);
    for (std::uint64_t number = 1; number <= 3; ++number) {
        prep::send(world.request(number), near, "x", 1);
        const auto all = world.settle();
        REQUIRE(all.size() == 1);
        CHECK(all[0].res == (number == 2 ? -EIO : 1));
    }
    CHECK(world.kernel.read_now(far) == "xx");
    CHECK(world.kernel.submitted(IORING_OP_SEND) == 3);
}

TEST_CASE("simulated driver: a descriptor that is not open is EBADF, an unknown request EINVAL") {
    bare_world world;
    char byte = 0;
    prep::recv(world.request(1), 7, &byte, 1);
    prep::recv(world.request(2), 1'000'000, &byte, 1);
    world.request(3).opcode = IORING_OP_TEE;
    world.request(4).opcode = 250;
    for (const completion& one : world.settle())
        CHECK(one.res == (one.user_data >= 3 ? -EINVAL : -EBADF));
}

TEST_CASE("simulated driver: a receive that nobody will serve is a deadlock, told at once") {
    static char byte;
    struct receive final : rf::operation, rf::waiter {
        int fd;
        explicit receive(int which) : fd(which) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) {
            if (enter()) prep::recv(submit(), fd, &byte, 1);
        }
        void await_resume() const {}
        rf::cancel_outcome cancel() noexcept override {
            request_cancel();
            return rf::cancel_outcome::pending;
        }
        void describe(rf::wait_description& out) const override { out.what = "receive"; }
        void on_completion(std::int32_t, std::uint32_t) noexcept override {}
        void on_retired() noexcept override { unwind(); }
    };
    const auto report = rf::test::report_sim({}, [](auto& world) -> rf::task<> {
        receive it(world.make_stream_pair().first);
        co_await it;
    });
    CHECK(report.deadlock.find("receive") != std::string::npos);
    CHECK(report.final.empty());
}

TEST_CASE("simulated driver: actions of the world happen in their time") {
    rf::test::run_sim([](rf::leakcheck::simulated_kernel& world) -> rf::task<> {
        std::vector<int> order;
        world.after(20ms, [&] { order.push_back(2); });
        world.after(10ms, [&] { order.push_back(1); });
        co_await rf::sleep_for(15ms);
        CHECK(order == std::vector<int>{1});
        co_await rf::sleep_for(15ms);
        CHECK(order == std::vector<int>{1, 2});
    });
}
