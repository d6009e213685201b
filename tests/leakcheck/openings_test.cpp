// SPDX-License-Identifier: MIT
#include "tests/leakcheck/found_resources.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/io/detail/acceptor.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/profile.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/leakcheck/watcher.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/openings.hpp>
#include <ringfence/runtime/labels.hpp>
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/rate_limiter.hpp>
#include <ringfence/sync/ttl_cache.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::resource;
using rf::resource_kind;
using rf::io::tcp_listener;
using rf::leakcheck::leak_guard;
using rf::leakcheck::resource_table;
using rf::test::has;
using rf::test::of_kind;

namespace {

/// Functions of the stack that opened it, innermost first, without their namespaces.
std::string functions_of(const resource& one) {
    if (one.stack == nullptr) return "none";
    std::string all;
    for (const auto& line : one.stack->lines) {
        const std::string_view name = rf::detail::short_name(line.function);
        all += std::string(name.substr(name.rfind(':') + 1)) + " ";
    }
    return all;
}

rf::task<> open_it(std::optional<tcp_listener>& kept) {
    co_await rf::this_task::yield();
    kept.emplace(tcp_listener::bind({"127.0.0.1", 0}));
}
rf::task<> set_up(std::optional<tcp_listener>& kept) { co_await open_it(kept); }
rf::task<> opener(std::optional<tcp_listener>& kept) {
    const auto work = [&] { return set_up(kept); };
    co_await rf::with_label("tenant", "7", work);
}

rf::task<> sleep_long() { co_await rf::sleep_for(1h); }
rf::task<> sleep_deep() { co_await sleep_long(); }
rf::task<> spawn_into(rf::nursery& outer) {
    outer.spawn(sleep_deep);
    co_await rf::this_task::yield();
}
rf::task<> spawner(rf::nursery& outer) { co_await spawn_into(outer); }
rf::task<> with_deadline() { (void)co_await rf::move_on_after(2h, sleep_deep); }

rf::task<> read_into(rf::io::unix_stream& from, std::optional<rf::io::chunk>& kept) {
    kept = co_await from.read();
}
rf::task<> reader(rf::io::unix_stream& from, std::optional<rf::io::chunk>& kept) {
    co_await read_into(from, kept);
}

using cache = rf::sync::ttl_cache<int, int>;
rf::task<> put_into(cache& entries, int key) {
    co_await rf::this_task::yield();
    entries.put(key, 1);
}
rf::task<> putter(cache& entries, int key) { co_await put_into(entries, key); }
rf::task<> put_other(cache& entries, int key) { co_await put_into(entries, key); }

rf::task<> acquire_one(rf::sync::rate_limiter& from) { co_await from.acquire(); }
rf::task<> limited(rf::sync::rate_limiter& from) { co_await acquire_one(from); }

rf::task<> accept_one(rf::io::detail::acceptor& from) {
    (void)co_await rf::io::detail::stream_accept<rf::io::tcp_stream>(from);
}
rf::task<> accepter(rf::io::detail::acceptor& from) { co_await accept_one(from); }

/// The two innermost functions of the stack that armed the timer of that name.
std::string of_timer(const std::string& name) {
    for (const resource& one : of_kind(resource_table(), resource_kind::timer)) {
        if (one.name != name) continue;
        CHECK(one.shared);
        CHECK(one.opened.line() != 0);
        const std::string all = functions_of(one);
        return all.substr(0, all.find(' ', all.find(' ') + 1) + 1);
    }
    return "no such timer";
}

rf::task<> nothing() { co_return; }

}  // namespace

TEST_CASE("openings: a descriptor under a leak_guard has the whole stack that opened it") {
    rf::test::run_real([]() -> rf::task<> {
        std::optional<tcp_listener> kept;
        leak_guard nothing_left;
        co_await opener(kept);
        const auto found = of_kind(resource_table(), resource_kind::descriptor);
        REQUIRE(found.size() == 1);
        CHECK(functions_of(found[0]).starts_with("open_it set_up opener "));
        CHECK(found[0].stack->labels == std::vector<std::string>{"tenant=7"});
        const std::string left = nothing_left.findings();
        CHECK(has(left,
                  " by task 1 under tenant=7\n    opened from\n      at tests/leakcheck/openings"));
        CHECK(has(left, "::set_up\n"));
        CHECK(has(left, "::opener\n"));
        kept.reset();
        co_return;
    });
}

TEST_CASE("openings: without anybody who asks there is the line alone, and nothing is kept") {
    rf::test::run_real([]() -> rf::task<> {
        std::optional<tcp_listener> kept;
        CHECK(rf::loop::here().openings() == nullptr);
        co_await opener(kept);
        const auto found = of_kind(resource_table(), resource_kind::descriptor);
        REQUIRE(found.size() == 1);
        CHECK(found[0].stack == nullptr);
        CHECK(found[0].opened.line() != 0);
        {
            const leak_guard outer;
            const leak_guard inner;
            CHECK(rf::loop::here().openings() != nullptr);
        }
        CHECK(rf::loop::here().openings() == nullptr);
        kept.reset();
    });
}

TEST_CASE("openings: a task has the stack that spawned it, from the call of spawn out") {
    rf::test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& outer) -> rf::task<> {
            leak_guard nothing_left;
            co_await spawner(outer);
            const auto tasks = of_kind(resource_table(), resource_kind::task);
            const auto left = std::ranges::find_if(
                tasks, [](const resource& one) { return one.stack != nullptr; });
            REQUIRE(left != tasks.end());
            CHECK(functions_of(*left).starts_with("spawn_into spawner "));
            CHECK(left->stack->lines[0].at.line() == left->opened.line());
            CHECK(has(nothing_left.findings(), "    spawned from\n      at "));
            outer.cancel();
        });
    });
}

TEST_CASE(
    "openings: timers have the stack of the task that waits, deadlines from their scope out") {
    rf::test::run_sim([]() -> rf::task<> {
        co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(with_deadline);
            co_await rf::this_task::yield();
            const auto timers = of_kind(resource_table(), resource_kind::timer);
            REQUIRE(timers.size() == 2);
            std::vector<std::string> stacks{functions_of(timers[0]), functions_of(timers[1])};
            std::ranges::sort(stacks);
            CHECK(stacks[0] == "sleep_long sleep_deep with_deadline ");
            CHECK(stacks[1] == "with_deadline ");
            jobs.cancel();
        });
    });
}

TEST_CASE("openings: a buffer has the stack of its read, and an object's request that of its use") {
    const auto report = rf::leakcheck::bubble([]() -> rf::task<> {
        const auto fds = rf::leakcheck::simulated_kernel::here().make_stream_pair();
        auto ours = rf::io::unix_stream::from_fd(fds.first);
        auto theirs = rf::io::unix_stream::from_fd(fds.second);
        std::optional<rf::io::chunk> kept;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(reader, std::ref(ours), std::ref(kept));
            co_await rf::sleep_for(1s);
            const resource_table waiting;
            const auto requests = of_kind(waiting, resource_kind::operation);
            REQUIRE(requests.size() == 1);
            CHECK(waiting.total(resource_kind::operation) == 1);
            CHECK(functions_of(requests[0]) == "read_into reader ");
            CHECK(
                has(waiting.describe(), "operation (request) opened at tests/leakcheck/openings"));
            co_await theirs.write_all("x");
        });
        const resource_table after;
        const auto buffers = of_kind(after, resource_kind::ring_buffer);
        REQUIRE(buffers.size() == 1);
        CHECK(functions_of(buffers[0]) == "read_into reader ");
        // The task has ended, and the request that stays armed still says whose it was.
        REQUIRE(of_kind(after, resource_kind::operation).size() == 1);
        CHECK(functions_of(of_kind(after, resource_kind::operation)[0]) == "read_into reader ");
        kept.reset();
        ours.close();
        co_await rf::sleep_for(1s);
        CHECK(of_kind(resource_table(), resource_kind::operation).empty());
    });
    CHECK(report.failure == "");
}

TEST_CASE("openings: the clock of a cache has the stack of the task that armed it") {
    const auto report = rf::leakcheck::bubble([]() -> rf::task<> {
        const rf::sync::ttl_cache_options options{.ttl = 1h, .size_max = 8};
        std::optional<cache> entries(std::in_place, options);
        co_await putter(*entries, 1);
        CHECK(of_timer("clock of a ttl_cache") == "put_into putter ");
        co_await rf::sleep_for(10min);
        co_await put_other(*entries, 2);
        co_await rf::sleep_for(55min);
        // The first entry has died. The loop has armed the clock for the second: for the same task.
        REQUIRE(entries->statistics().entries == 1);
        CHECK(of_timer("clock of a ttl_cache") == "put_into putter ");
        CHECK(resource_table().count(resource_kind::timer) ==
              resource_table().total(resource_kind::timer));
        entries->clear();
        CHECK(of_timer("clock of a ttl_cache") == "no such timer");
        co_await put_other(*entries, 3);
        CHECK(of_timer("clock of a ttl_cache") == "put_into put_other ");
        const std::size_t known = rf::loop::here().openings()->size();
        entries.reset();
        CHECK(rf::loop::here().openings()->size() == known - 1);
    });
    CHECK(report.failure == "");
}

TEST_CASE("openings: a guard leaves the clock of an object that tasks share alone") {
    const auto report = rf::leakcheck::bubble([]() -> rf::task<> {
        cache entries({.ttl = 1h, .size_max = 8});
        leak_guard nothing_left;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(putter, std::ref(entries), 1);
            co_return;
        });
        CHECK(of_timer("clock of a ttl_cache") == "put_into putter ");
        CHECK(nothing_left.findings() == "");
        CHECK(rf::leakcheck::verify_none() == "");
    });
    CHECK(report.failure == "");
}

TEST_CASE("openings: the next permit of a rate limiter has the stack of who waits for it") {
    const auto report = rf::leakcheck::bubble([]() -> rf::task<> {
        rf::sync::rate_limiter limiter({.tokens = 1, .per = 1min});
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            co_await limiter.acquire();
            jobs.spawn(limited, std::ref(limiter));
            co_await rf::sleep_for(1s);
            CHECK(of_timer("next permit of a rate_limiter") == "acquire_one limited ");
        });
        CHECK(of_timer("next permit of a rate_limiter") == "no such timer");
    });
    CHECK(report.failure == "");
}

TEST_CASE("openings: the pause of a listener has the stack of the task that accepts") {
    using handle = rf::io::detail::descriptor_handle<rf::io::detail::acceptor>;
    rf::leakcheck::bubble_options options;
    options.world.descriptors_max = 2;
    options.leave_descriptors = true;
    const auto report = rf::leakcheck::bubble(
        [&]() -> rf::task<> {
            auto& world = rf::leakcheck::simulated_kernel::here();
            const int fd = world.make_listener();
            handle listener = handle::make(fd, "tcp listener");
            const int client = world.connect_to(fd);
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(accepter, std::ref(*listener));
                co_await rf::sleep_for(1ms);
                CHECK(listener->pauses == 1);
                CHECK(of_timer("pause of a listener") == "accept_one accepter ");
                CHECK(world.close_now(client) == 0);
            });
        },
        options);
    CHECK(report.failure == "");
}

TEST_CASE("openings: what is closed, and tasks that have ended, are forgotten") {
    rf::test::run_real([]() -> rf::task<> {
        const leak_guard guard;
        for (int round = 0; round < 100; ++round) {
            co_await rf::with_nursery([](rf::nursery& jobs) -> rf::task<> {
                for (int i = 0; i < 200; ++i)
                    jobs.spawn(nothing);
                co_return;
            });
            auto streams = rf::io::unix_stream::pair();
        }
        CHECK(rf::loop::here().openings()->size() < 1'500);
    });
}

TEST_CASE("openings: a watcher that is told to keeps them for the run") {
    rf::leakcheck::watcher watch({.stalls = {.threshold = 0ms}, .opening_stacks = true});
    rf::run_options options;
    options.observer = &watch;
    rf::test::run_real(options, []() -> rf::task<> {
        std::optional<tcp_listener> kept;
        co_await opener(kept);
        const auto seen = co_await rf::leakcheck::profile(rf::leakcheck::profile_kind::fd);
        REQUIRE(seen.opened().size() == 1);
        CHECK(functions_of(seen.opened()[0]).starts_with("open_it set_up opener "));
        kept.reset();
    });
}

TEST_CASE("openings: what is left at the end of a bubble is told with the stack that opened it") {
    rf::descriptor_entry left;
    const auto open = [&]() -> rf::task<> {
        co_await rf::this_task::yield();
        left.open(2'000'000, "planted");
    };
    const auto report = rf::leakcheck::bubble([&]() -> rf::task<> { co_await open(); });
    CHECK(has(report.failure, "descriptor 2000000: planted opened at tests/leakcheck/openings"));
    CHECK(has(report.failure, "    opened from\n      at tests/leakcheck/openings_test.cpp:"));
}
