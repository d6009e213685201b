// SPDX-License-Identifier: MIT
#include "json_checker.hpp"
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/snapshot.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/detail/task_image.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::snapshot_format;
using rf::leakcheck::snapshot_now;
using rf::leakcheck::task_snapshot;
using rf::test::has;
using rf::test::run_sim;

namespace {

rf::task<> wait_for(rf::sync::event& what) { co_await what.wait(); }

rf::task<> handle(rf::sync::event& what) {
    rf::this_task::set_name("peer");
    co_await wait_for(what);
}

rf::task<> lock_one(rf::sync::mutex& wanted) { auto held = co_await wanted.lock(); }

/// How often each task is in a snapshot.
std::map<std::uint64_t, int> counts_of(const task_snapshot& seen) {
    std::map<std::uint64_t, int> counts;
    for (std::size_t i = 0; i < seen.tasks(); ++i)
        ++counts[seen.image()->tasks[i].id];
    return counts;
}

/// As small as steps get: eight tasks a turn.
constexpr rf::leakcheck::snapshot_options small_steps{.step = 0ns};

}  // namespace

TEST_CASE("snapshot: shows the scope tree with wait, object, age, owner, deadline and stack") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        rf::sync::mutex lock;
        auto held = co_await lock.lock();
        co_await rf::with_nursery({.name = "peers"}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(handle, std::ref(never));
            jobs.spawn(lock_one, std::ref(lock));
            jobs.spawn([&]() -> rf::task<> {
                (void)co_await rf::move_on_after(10s, [&] { return wait_for(never); });
            });
            co_await rf::sleep_for(1500ms);
            const task_snapshot seen = co_await rf::leakcheck::snapshot();
            CHECK(seen.refusal().empty());
            CHECK(seen.tasks() == 4);
            const std::string text = seen.text();
            CHECK(has(text, "ringfence: 4 tasks, 0 operations"));
            CHECK(has(text, "nursery \"peers\", 3 alive (opened at tests/"));
            CHECK(has(text, "\"peer\": event for event made at tests/"));
            CHECK(has(text, " [0x"));
            CHECK(has(text, ", 1.5 s"));
            CHECK(has(text, "to be woken by task 1"));
            CHECK(has(text, "timeout, 8.5 s left"));
            CHECK(has(text, "snapshot_test.cpp:"));
            CHECK(has(text, "in (anonymous namespace)::wait_for\n") !=
                  has(text, "in {anonymous}::wait_for\n"));
            CHECK(has(text, ": running"));
            jobs.cancel();
        });
    });
}

TEST_CASE("snapshot: its tree is that of task_tree, with the addresses of objects") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 3; ++i)
                jobs.spawn(handle, std::ref(never));
            co_await rf::sleep_for(1s);
            std::string with = snapshot_now().text();
            const std::string address = fmt::format(" [{}]", fmt::ptr(&never));
            for (auto at = with.find(address); at != with.npos; at = with.find(address))
                with.erase(at, address.size());
            CHECK(with == rf::task_tree(rf::loop::here()));
            jobs.cancel();
        });
    });
}

TEST_CASE("snapshot: as JSON it has a record for each scope and task") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        const char* const name = "say \"\\\n\x01\xff\xc3\xa4";
        co_await rf::with_nursery({.name = name}, [&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn([&]() -> rf::task<> {
                (void)co_await rf::move_on_after(10s, [&] { return handle(never); });
            });
            co_await rf::sleep_for(1s);
            const std::string json = (co_await rf::leakcheck::snapshot()).json();
            CHECK(rf::test::json_checker(json).valid());
            CHECK(has(json, "\"tasks_live\": 2"));
            CHECK(has(json, "\"name\": \"say \\\"\\\\\\u000a\\u0001\\ufffd\xc3\xa4\""));
            CHECK(has(json, "\"name\": \"peer\""));
            CHECK(has(json, "\"state\": \"waiting\""));
            CHECK(has(json, "\"state\": \"running\""));
            CHECK(has(json, "\"wait\": {\"kind\": \"event\", \"for\": \"event made at tests/"));
            CHECK(has(json, "\"age_ns\": 1000000000, \"object\": \"0x"));
            CHECK(has(json, "\"kind\": \"timeout\""));
            CHECK(has(json, "\"deadline_in_ns\": 9000000000"));
            CHECK(has(json, "::wait_for\", \"file\": \"tests/leakcheck/snapshot_test.cpp\", "));
            jobs.cancel("enough");
            const std::string after = snapshot_now().json();
            CHECK(rf::test::json_checker(after).valid());
            CHECK(has(after, "\"cancelled\": true, \"cancel_cause\": \"cancelled on request\""));
            CHECK(has(after, "\"cancel_reason\": \"enough\""));
            CHECK(has(after, "\"state\": \"unwinding\""));
        });
    });
}

TEST_CASE("snapshot: as folded stacks, equal ones are one line with their number") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        co_await rf::with_nursery({.name = "a;b"}, [&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 7; ++i)
                jobs.spawn(handle, std::ref(never));
            co_await rf::sleep_for(1s);
            const std::string folded = (co_await rf::leakcheck::snapshot()).folded();
            CHECK(has(folded, "root;a,b;"));
            CHECK(has(folded, ");[event] 7\n"));
            CHECK(has(folded, ";[running] 1\n"));
            CHECK(folded.find("::handle (") < folded.find("::wait_for ("));
            jobs.cancel();
        });
    });
}

TEST_CASE("snapshot: has each task once, however they move, end and begin meanwhile") {
    rf::test::for_seeds(20, [](std::uint64_t seed) {
        run_sim({.seed = seed}, []() -> rf::task<> {
            rf::sync::event never;
            bool stop = false;
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                const auto move_about = [](int rounds) -> rf::task<> {
                    for (int i = 0; i < rounds; ++i) {
                        (void)co_await rf::move_on_after(1h, [&]() -> rf::task<> {
                            for (int turn = 0; turn <= i % 3; ++turn)
                                co_await rf::this_task::yield();
                        });
                        if (i % 2 == 0) co_await rf::this_task::yield();
                    }
                    co_await rf::sleep_forever();
                };
                for (int i = 0; i < 150; ++i) {
                    jobs.spawn(wait_for, std::ref(never));
                    jobs.spawn(move_about, 100 + i);
                    jobs.spawn([i]() -> rf::task<> {  // ends
                        for (int turn = 0; turn < i; ++turn)
                            co_await rf::this_task::yield();
                    });
                    jobs.spawn([&never, i]() -> rf::task<> {  // has scopes of its own
                        co_await rf::with_nursery([&](rf::nursery& mine) -> rf::task<> {
                            for (int child = 0; child < i % 4; ++child)
                                mine.spawn(wait_for, std::ref(never));
                            for (int turn = 0; turn < i; ++turn)
                                co_await rf::this_task::yield();
                        });
                    });
                }
                for (int turn = 0; turn < 3; ++turn)
                    co_await rf::this_task::yield();
                jobs.spawn([&]() -> rf::task<> {  // and more come all the time
                    while (!stop) {
                        jobs.spawn([]() -> rf::task<> { co_await rf::this_task::yield(); });
                        co_await rf::this_task::yield();
                    }
                });
                const auto before = counts_of(snapshot_now());
                const task_snapshot seen = co_await rf::leakcheck::snapshot(small_steps);
                const auto after = counts_of(snapshot_now());
                stop = true;
                const auto during = counts_of(seen);
                for (const auto& [id, count] : during) {
                    CHECK(count == 1);
                    CHECK(before.contains(id));
                }
                for (const auto& [id, count] : before) {
                    CHECK(count == 1);
                    if (after.contains(id)) CHECK(during.contains(id));
                }
                // The tree has them all, too.
                const std::string text = seen.text();
                for (const auto& [id, count] : during) {
                    const bool named = text.find(fmt::format("task {}:", id)) != text.npos;
                    CHECK(named);
                }
                CHECK(rf::test::json_checker(seen.json()).valid());
                jobs.cancel();
            });
        });
    });
}

TEST_CASE("snapshot: others run between its steps") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        bool done = false;
        int turns = 0;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 1000; ++i)
                jobs.spawn(handle, std::ref(never));
            jobs.spawn([&]() -> rf::task<> {
                while (!done) {
                    ++turns;
                    co_await rf::this_task::yield();
                }
            });
            co_await rf::sleep_for(1ms);
            turns = 0;
            const task_snapshot seen = co_await rf::leakcheck::snapshot(small_steps);
            done = true;
            CHECK(seen.tasks() == 1002);
            CHECK(turns >= 1002 / 8);
            CHECK(seen.longest_pause() <= seen.took());
            jobs.cancel();
        });
    });
}

TEST_CASE("snapshot: one that is cancelled leaves no trace, and two take turns") {
    run_sim([]() -> rf::task<> {
        rf::sync::event never;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            for (int i = 0; i < 200; ++i)
                jobs.spawn(handle, std::ref(never));
            co_await rf::sleep_for(1ms);
            std::vector<std::size_t> sizes;
            co_await rf::with_nursery([&](rf::nursery& two) -> rf::task<> {
                const auto take = [&]() -> rf::task<> {
                    const task_snapshot seen = co_await rf::leakcheck::snapshot(small_steps);
                    sizes.push_back(seen.tasks());
                };
                two.spawn(take);
                two.spawn(take);
                co_return;
            });
            REQUIRE(sizes.size() == 2);
            CHECK(sizes[0] == 203);
            CHECK(sizes[1] >= 202);
            co_await rf::with_nursery([&](rf::nursery& one) -> rf::task<> {
                one.spawn([]() -> rf::task<> {
                    (void)co_await rf::leakcheck::snapshot(small_steps);
                    CHECK(false);
                });
                for (int turn = 0; turn < 5; ++turn)
                    co_await rf::this_task::yield();
                one.cancel();
            });
            CHECK(rf::detail::slot.walk == nullptr);
            const task_snapshot last = co_await rf::leakcheck::snapshot(small_steps);
            CHECK(last.tasks() == 201);
            jobs.cancel();
        });
    });
}

TEST_CASE("snapshot: goes on behind scopes that close where it is") {
    for (int turns = 1; turns < 30; ++turns)
        run_sim([turns]() -> rf::task<> {
            rf::sync::event go;
            rf::sync::event never;
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                const auto wait_in_scope = [](rf::sync::event& what) -> rf::task<> {
                    (void)co_await rf::move_on_after(1h, [&] { return wait_for(what); });
                    co_await rf::sleep_forever();
                };
                for (int i = 0; i < 40; ++i)
                    jobs.spawn(wait_in_scope, std::ref(go));
                for (int i = 0; i < 40; ++i)
                    jobs.spawn(wait_in_scope, std::ref(never));
                co_await rf::sleep_for(1ms);
                jobs.spawn([&]() -> rf::task<> {
                    for (int turn = 0; turn < turns; ++turn)
                        co_await rf::this_task::yield();
                    go.set();
                });
                const task_snapshot seen = co_await rf::leakcheck::snapshot(small_steps);
                CHECK(seen.tasks() >= 81);
                CHECK(counts_of(seen).size() == seen.tasks());
                jobs.cancel();
            });
        });
}

TEST_CASE("snapshot: a dump in the middle of one disturbs neither") {
    run_sim([]() -> rf::task<> {
        rf::sync::event go;
        rf::sync::event never;
        co_await rf::with_nursery([&](rf::nursery& first) -> rf::task<> {
            // A scope that is there when the walk begins and not when the dump is made: those
            // behind it have other places in the two.
            first.spawn([&]() -> rf::task<> {
                (void)co_await rf::move_on_after(1h, [&] { return wait_for(go); });
            });
            co_await rf::sleep_for(1ms);
            co_await rf::with_nursery({.name = "jobs"}, [&](rf::nursery& jobs) -> rf::task<> {
                for (int i = 0; i < 200; ++i)
                    jobs.spawn(handle, std::ref(never));
                co_await rf::sleep_for(1ms);
                jobs.spawn([&]() -> rf::task<> {
                    for (int turn = 0; turn < 10; ++turn)
                        co_await rf::this_task::yield();
                    go.set();
                    for (int turn = 0; turn < 3; ++turn)
                        co_await rf::this_task::yield();
                    CHECK(rf::detail::slot.walk != nullptr);
                    CHECK(snapshot_now().tasks() == 202);
                });
                const task_snapshot seen = co_await rf::leakcheck::snapshot(small_steps);
                CHECK(seen.tasks() == 203);
                int named = 0;
                for (std::size_t i = 0; i < seen.image()->scopes.size(); ++i)
                    named += seen.image()->scopes[i].name == "jobs" ? 1 : 0;
                CHECK(named == 1);
                jobs.cancel();
            });
        });
    });
}
