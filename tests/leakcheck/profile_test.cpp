// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/io/pipe.hpp>
#include <ringfence/io/poll_fd.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/leakcheck/profile.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/labels.hpp>
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/ttl_cache.hpp>

#include <doctest/doctest.h>

#if defined(RF_WITH_PROFILE)

#include "decoded_profile.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::profile;
using rf::leakcheck::profile_kind;
using rf::leakcheck::profile_now;
using rf::leakcheck::task_profile;
using rf::test::decoded_profile;
using rf::test::has;
using rf::test::run_sim;

namespace {

decoded_profile decode(const task_profile& of) { return rf::test::decode_profile(of.encode()); }

rf::task<> wait_for(rf::sync::event& what) { co_await what.wait(); }

rf::task<> handle(rf::sync::event& what) {
    rf::this_task::set_name("peer");
    co_await wait_for(what);
}

rf::task<> lock_both(rf::sync::mutex& first, rf::sync::mutex& second) {
    auto one = co_await first.lock();
    co_await rf::this_task::yield();
    auto two = co_await second.lock();
}

}  // namespace

TEST_CASE("profile: of tasks has each with its stack, labels and age") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        co_await rf::with_nursery({.name = "peers"}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(handle, std::ref(never));
            jobs.spawn(handle, std::ref(never));
            co_await rf::sleep_for(1500ms);
            const decoded_profile seen = decode(co_await profile(profile_kind::task));
            REQUIRE(seen.types.size() == 2);
            CHECK(seen.types[0] == "tasks/count");
            CHECK(seen.types[1] == "age/nanoseconds");
            CHECK(seen.default_type == "tasks");
            CHECK(seen.symbolized);
            CHECK(seen.time_nanos > 0);
            CHECK(seen.total() == 3);
            CHECK(seen.with("state", "running") == 1);
            CHECK(seen.with("state", "waiting") == 2);
            CHECK(seen.with("name", "peer") == 2);
            CHECK(seen.with("scope", "peers") == 2);
            CHECK(seen.with("wait", "event") == 2);
            CHECK(seen.with("age", "1500000000 nanoseconds") == 2);
            for (const decoded_profile::sample& one : seen.samples) {
                if (!one.labels.contains("name")) continue;
                CHECK(has(one.labels.at("object"), "event made at tests/leakcheck/profile_test"));
                CHECK(one.values == std::vector<std::int64_t>{1, 1'500'000'000});
                REQUIRE(one.stack.size() == 3);  // and the line that spawned it
                CHECK(has(one.stack[0], "::wait_for tests/leakcheck/profile_test.cpp:"));
                CHECK(has(one.stack[1], "::handle tests/leakcheck/profile_test.cpp:"));
                CHECK(has(one.stack[2], " tests/leakcheck/profile_test.cpp:"));
            }
            jobs.cancel();
        });
    });
}

TEST_CASE("profile: of leaks has what is proven, with its verdict, and no suspicion") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        rf::sync::mutex a;
        rf::sync::mutex b;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(lock_both, std::ref(a), std::ref(b));
            jobs.spawn(lock_both, std::ref(b), std::ref(a));
            jobs.spawn(handle, std::ref(never));
            co_await rf::sleep_for(1h);
            const decoded_profile seen =
                decode(co_await profile(profile_kind::taskleak, {.proof = {.age_max = 1s}}));
            CHECK(seen.samples.size() == 2);
            CHECK(seen.with("verdict", "cycle") == 2);
            CHECK(seen.with("wait", "lock") == 2);
            jobs.cancel();
        });
    });
}

TEST_CASE("profile: of leaks, taken when nothing moves any more, has all that wait") {
    struct look : rf::run_observer {
        std::optional<task_profile> seen;
        std::string deadlocked(rf::loop&) override {
            seen = profile_now(profile_kind::taskleak);
            return {};
        }
    } last;
    rf::sync::event never;
    rf::test::sim_options options;
    options.run.observer = &last;
    const rf::run_report report =
        rf::test::report_sim(std::move(options), [&]() -> rf::task<> { co_await handle(never); });
    CHECK(!report.deadlock.empty());
    REQUIRE(last.seen.has_value());
    const decoded_profile seen = decode(*last.seen);
    CHECK(seen.samples.size() == 1);
    CHECK(seen.with("verdict", "quiescent") == 1);
}

TEST_CASE("profile: of waits has those for other tasks, and their delay") {
    run_sim([]() -> rf::task<> {
        rf::sync::mutex lock;
        auto held = co_await lock.lock();
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> { auto mine = co_await lock.lock(); });
            jobs.spawn([]() -> rf::task<> { co_await rf::sleep_for(1h); });
            co_await rf::sleep_for(2s);
            const decoded_profile seen = decode(co_await profile(profile_kind::block));
            CHECK(seen.types[1] == "delay/nanoseconds");
            REQUIRE(seen.samples.size() == 1);
            CHECK(seen.samples[0].values[1] == 2'000'000'000);
            CHECK(seen.samples[0].labels.at("wait") == "lock");
            CHECK(has(seen.samples[0].labels.at("owner"), "task "));
            jobs.cancel();
        });
    });
}

TEST_CASE("profile: of timers has sleeps and deadlines") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([]() -> rf::task<> { co_await rf::sleep_for(1h); });
            jobs.spawn([]() -> rf::task<> { co_await rf::sleep_forever(); });
            jobs.spawn([&]() -> rf::task<> {
                (void)co_await rf::move_on_after(10s, [&] { return wait_for(never); });
            });
            co_await rf::sleep_for(1s);
            const decoded_profile seen = decode(co_await profile(profile_kind::timer));
            CHECK(seen.total() == 2);
            CHECK(seen.with("wait", "sleep") == 1);
            CHECK(seen.with("left", "9000000000 nanoseconds") == 1);
            CHECK(static_cast<std::uint64_t>(seen.total()) == rf::loop::here().account().timers);
            jobs.cancel();
        });
    });
}

TEST_CASE("profile: of descriptors has the line that opened each; of operations, all there are") {
    rf::test::run_real([]() -> rf::task<> {
        auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> { auto peer = co_await listener.accept(); });
            co_await rf::this_task::yield();
            const decoded_profile files = decode(co_await profile(profile_kind::fd));
            REQUIRE(files.samples.size() == 1);
            CHECK(files.with("object", "tcp listener") == 1);
            REQUIRE(files.samples[0].stack.size() == 1);
            CHECK(has(files.samples[0].stack[0], " tests/leakcheck/profile_test.cpp:"));
            const decoded_profile requests = decode(co_await profile(profile_kind::inflight));
            CHECK(requests.with("wait", "io") == 1);
            CHECK(static_cast<std::uint64_t>(requests.total()) ==
                  rf::loop::here().account().operations);
            jobs.cancel();
        });
        // Nobody waits any more, but the request stays armed: it belongs to the listener.
        const decoded_profile left = decode(co_await profile(profile_kind::inflight));
        REQUIRE(rf::loop::here().account().operations == 1);
        CHECK(left.total() == 1);
        CHECK(left.with("object", "operations of objects") == 1);
    });
}

TEST_CASE("profile: kinds have names, and names kinds") {
    for (const char* name : {"task", "taskleak", "fd", "inflight", "timer", "block"}) {
        const auto kind = rf::leakcheck::profile_kind_named(name);
        REQUIRE(kind.has_value());
        CHECK(to_string(*kind) == name);
    }
    CHECK_FALSE(rf::leakcheck::profile_kind_named("heap").has_value());
}

TEST_CASE("profile: the labels of a task are labels of its samples") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            const auto work = [&] { return handle(never); };
            jobs.spawn([&] { return rf::with_label("tenant", "7", work); });
            jobs.spawn(handle, std::ref(never));
            co_await rf::this_task::yield();
            const decoded_profile seen = decode(co_await profile(profile_kind::block));
            CHECK(seen.with("tenant", "7") == 1);
            CHECK(seen.with("name", "peer") == 2);
            jobs.cancel();
        });
    });
}

TEST_CASE("profile: of descriptors has the whole stack where openings are kept") {
    rf::test::run_real([]() -> rf::task<> {
        rf::loop::here().keep_openings();
        std::optional<rf::io::tcp_listener> kept;
        const auto open = [&]() -> rf::task<> {
            co_await rf::this_task::yield();
            kept.emplace(rf::io::tcp_listener::bind({"127.0.0.1", 0}));
        };
        const auto set_up = [&]() -> rf::task<> { co_await open(); };
        co_await rf::with_label("tenant", "7", set_up);
        const decoded_profile files = decode(co_await profile(profile_kind::fd));
        REQUIRE(files.samples.size() == 1);
        CHECK(files.samples[0].stack.size() >= 4);  // both, this one, and who spawned it
        CHECK(files.with("tenant", "7") == 1);
        kept.reset();
        rf::loop::here().drop_openings();
    });
}

TEST_CASE("profile: a descriptor has its state, its age, and the scope and name of its task") {
    run_sim([]() -> rf::task<> {
        co_await rf::with_nursery({.name = "peers"}, [&](rf::nursery& jobs) -> rf::task<> {
            std::optional<rf::io::pipe_writer> kept;
            const auto pair = rf::leakcheck::simulated_kernel::here().make_pipe();
            const auto hold = [&]() -> rf::task<> {
                rf::this_task::set_name("holder");
                kept.emplace(rf::io::pipe_writer::from_descriptor(pair.second));
                co_await rf::sleep_for(10s);
            };
            jobs.spawn(hold);
            co_await rf::sleep_for(2s);
            const decoded_profile held = decode(co_await profile(profile_kind::fd));
            REQUIRE(held.total() == 1);
            CHECK(held.with("state", "open") == 1);
            CHECK(held.with("age", "2000000000 nanoseconds") == 1);
            CHECK(held.samples[0].values.at(1) == 2'000'000'000);
            CHECK(held.with("scope", "peers") == 1);
            CHECK(held.with("name", "holder") == 1);
            co_await rf::sleep_for(10s);
            const decoded_profile left = decode(co_await profile(profile_kind::fd));
            CHECK(left.with("age", "12000000000 nanoseconds") == 1);
            CHECK(left.with("scope", "peers") == 0);  // its task has ended, and nobody kept it
            kept.reset();
            (void)rf::leakcheck::simulated_kernel::here().close_now(pair.first);
        });
    });
}

TEST_CASE("profile: where openings are kept, a request of an object has the stack that asked") {
    run_sim([]() -> rf::task<> {
        rf::loop::here().keep_openings();
        const auto pair = rf::leakcheck::simulated_kernel::here().make_pipe();
        auto counter = rf::io::poll_fd::own(pair.first);
        auto writer = rf::io::pipe_writer::from_descriptor(pair.second);
        const auto ask = [&]() -> rf::task<> {
            (void)co_await rf::move_on_after(
                1s, [&]() -> rf::task<> { (void)co_await counter.wait_readable(); });
            co_await rf::sleep_for(1h);
        };
        const auto wait = [&]() -> rf::task<> { (void)co_await counter.wait_readable(); };
        co_await rf::with_nursery({.name = "askers"}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(ask);
            co_await rf::this_task::yield();
            jobs.spawn(wait);  // the request is there
            co_await rf::sleep_for(500ms);
            decoded_profile requests = decode(co_await profile(profile_kind::inflight));
            const auto held = rf::loop::here().account().operations;
            CHECK(static_cast<std::uint64_t>(requests.total()) == held);
            CHECK(requests.with("wait", "io") == 1);
            const decoded_profile timers = decode(co_await profile(profile_kind::timer));
            CHECK(timers.with("object", "deadline of a scope") == 1);
            CHECK(timers.with("state", "armed") == 1);
            for (const decoded_profile::sample& one : timers.samples)
                if (one.labels.contains("left")) CHECK(one.stack.size() >= 2);
            co_await rf::sleep_for(1s);
            // Who asked sleeps; who waits did not ask.
            requests = decode(co_await profile(profile_kind::inflight));
            REQUIRE(requests.total() == 1);
            CHECK(requests.with("object", "operations of objects") == 0);
            CHECK(requests.with("state", "in flight") == 1);
            CHECK(requests.with("scope", "askers") == 1);
            CHECK(requests.with("age", "1500000000 nanoseconds") == 1);
            CHECK(requests.samples[0].stack.size() >= 2);
            jobs.cancel();
        });
        rf::loop::here().drop_openings();
    });
}

TEST_CASE("profile: where openings are kept, clocks of objects and nurseries outlived are told") {
    rf::test::run_real([]() -> rf::task<> {
        rf::loop::here().keep_openings();
        std::optional<rf::io::tcp_listener> kept;
        std::optional<rf::sync::ttl_cache<int, int>> entries;
        entries.emplace(rf::sync::ttl_cache_options{.ttl = 1h, .size_max = 8});
        const auto fill = [&]() -> rf::task<> {
            co_await rf::this_task::yield();
            entries->put(1, 1);
            kept.emplace(rf::io::tcp_listener::bind({"127.0.0.1", 0}));
        };
        co_await rf::with_nursery({.name = "fillers"}, [&](rf::nursery& jobs) -> rf::task<> {
            co_await jobs.async(fill);
            const decoded_profile files = decode(co_await profile(profile_kind::fd));
            REQUIRE(files.samples.size() == 1);
            CHECK(!files.samples[0].labels.contains("outlives"));
        });
        const decoded_profile files = decode(co_await profile(profile_kind::fd));
        CHECK(files.total() == 1);
        CHECK(files.with("outlives", "fillers") == 1);
        const decoded_profile timers = decode(co_await profile(profile_kind::timer));
        CHECK(timers.total() == 1);
        REQUIRE(timers.with("object", "clock of a ttl_cache") == 1);
        CHECK(timers.samples[0].stack.size() >= 2);  // the put, and who spawned that
        CHECK(timers.with("outlives", "fillers") == 1);
        kept.reset();
        entries.reset();
        rf::loop::here().drop_openings();
    });
}

#endif
