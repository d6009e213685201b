// SPDX-License-Identifier: MIT
// Timers, queues and whole services as they are lost in programs of every day; see
// everyday_tasks_test.cpp.
#include "tests/leakcheck/everyday_leaks.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/pipeline.hpp>
#include <ringfence/sync/supervisor.hpp>
#include <ringfence/sync/ttl_cache.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <source_location>
#include <string>

using namespace std::chrono_literals;
using rf::sync::channel;
using rf::test::blamed;
using rf::test::left_by;

namespace {

unsigned spawn_line = 0;  // where the leaky program of a case starts what it loses
/// The line behind the call.
void note_next_line(std::source_location here = std::source_location::current()) {
    spawn_line = here.line() + 1;
}

// 11: a cache with expiring entries

using shared_map = std::shared_ptr<std::map<int, int>>;

rf::task<> expire(shared_map entries, int key) {
    co_await rf::sleep_for(1h);
    entries->erase(key);
}

rf::task<> cache_with_a_timer_an_entry() {
    auto entries = std::make_shared<std::map<int, int>>();
    for (int i = 0; i < 1000; ++i) {
        (*entries)[i % 10] = i;
        note_next_line();
        rf::root_nursery().spawn(expire, entries, i % 10);
    }
    co_return;
}

rf::task<> cache_with_one_timer() {
    rf::sync::ttl_cache<int, int> entries({.ttl = 1h, .size_max = 100});
    for (int i = 0; i < 1'000'000; ++i)
        entries.put(i % 10, i);
    CHECK(rf::loop::here().account().timers == 1);
    co_return;
}

// 12: a tree of supervisors, stopped

rf::task<> send_heartbeats() {
    for (;;)
        co_await rf::sleep_for(5ms);
}

rf::task<> worker_with_a_daemon() {
    note_next_line();
    rf::root_nursery().spawn(send_heartbeats);
    co_await rf::sleep_forever();
}

rf::task<> worker_with_a_child() {
    co_await rf::with_nursery([](rf::nursery& helpers) -> rf::task<> {
        helpers.spawn_service(send_heartbeats);
        co_await rf::sleep_forever();
    });
}

rf::task<> tree_of(rf::task<> (*worker)()) {
    rf::sync::supervisor low({.name = "low"});
    low.add("worker", worker);
    low.add("other", worker);
    rf::sync::supervisor top({.name = "top"});
    top.add("low", [&] { return low.run(); });
    auto finished = co_await rf::move_on_after(50ms, top.run());
    CHECK(!finished);
}

// 14: a pipeline whose sink is slow, and returns early

using shared_items = std::shared_ptr<channel<int>>;

rf::task<> produce(shared_items out) {
    for (int item = 0; item < 100; ++item)
        co_await out->send(item);
    out->close();
}

rf::task<> pipe_whose_end_is_gone() {
    auto items = std::make_shared<channel<int>>(4);
    note_next_line();
    rf::root_nursery().spawn(produce, items);
    for (int taken = 0; taken < 3; ++taken)
        (void)co_await items->receive();
}

rf::task<> pipeline_with_a_slow_sink() {
    int made = 0;
    int stored = 0;
    rf::sync::pipeline line;
    line.source<int>([&](rf::sync::pipeline_output<int>& out) -> rf::task<> {
            for (;; ++made)
                co_await out.send(made);
        })
        .sink([&](int) -> rf::task<> {
            co_await rf::sleep_for(10ms);
            ++stored;
        });
    auto ended = co_await rf::move_on_after(95ms, line.run());
    CHECK(!ended);
    CHECK(stored == 9);
    CHECK(made - stored <= 3);
}

// 15: a slow consumer

rf::task<> push(shared_items inbox, int item) { co_await inbox->send(item); }

rf::task<> publisher_that_does_not_wait() {
    auto slow = std::make_shared<channel<int>>(4);
    for (int item = 0; item < 100; ++item) {
        note_next_line();
        rf::root_nursery().spawn(push, slow, item);
    }
    co_await rf::sleep_for(20ms);
}

rf::task<> publisher_with_patience() {
    channel<int> slow(4);
    bool dropped = false;
    for (int item = 0; item < 100 && !dropped; ++item) {
        auto won = co_await rf::select(slow.send(item), rf::sleep_for(20ms));
        dropped = won.index() == 1;
    }
    slow.close();
    CHECK(dropped);
}

}  // namespace

TEST_CASE("everyday leaks: a timer for each rewrite of an entry is named, a ttl_cache has one") {
    const std::string found = left_by(cache_with_a_timer_an_entry);
    CHECK(blamed(found, "spawned", spawn_line) == 1000);
    CHECK(left_by(cache_with_one_timer) == "");
}

TEST_CASE("everyday leaks: a daemon that survives its supervisor is named, a child does not") {
    const std::string found = left_by([] { return tree_of(worker_with_a_daemon); });
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 2, found);
    CHECK(left_by([] { return tree_of(worker_with_a_child); }) == "");
}

TEST_CASE("everyday leaks: a pipeline's sender without a receiver is named, stages end as one") {
    const std::string found = left_by(pipe_whose_end_is_gone);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 1, found);
    CHECK(left_by(pipeline_with_a_slow_sink) == "");
}

TEST_CASE(
    "everyday leaks: sends that pile up before a slow consumer are named, patience has none") {
    const std::string found = left_by(publisher_that_does_not_wait);
    CHECK(blamed(found, "spawned", spawn_line) == 96);
    CHECK(left_by(publisher_with_patience) == "");
}
