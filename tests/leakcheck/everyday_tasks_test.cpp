// SPDX-License-Identifier: MIT
// Tasks as they are lost in programs of every day: each case as it is written where a task needs no
// owner, with the line that the guard names, and as it is written here, with nothing to name.
#include "tests/leakcheck/everyday_leaks.hpp"
#include <ringfence/leakcheck/monitor.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/circuit_breaker.hpp>
#include <ringfence/sync/rate_limiter.hpp>
#include <ringfence/sync/worker_pool.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

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

// As a channel is shared where memory is collected.
using shared_numbers = std::shared_ptr<channel<int>>;

shared_numbers make_numbers(std::size_t capacity = 0) {
    return std::make_shared<channel<int>>(capacity);
}

// 1: a ticker

rf::task<> tick(std::chrono::milliseconds period) {
    for (;;)
        co_await rf::sleep_for(period);
}

rf::task<> ticker_left_alone() {
    note_next_line();
    rf::root_nursery().spawn(tick, 10ms);
    co_await rf::sleep_for(35ms);
}

rf::task<> ticker_in_its_scope() {
    co_await rf::with_nursery([](rf::nursery& helpers) -> rf::task<> {
        helpers.spawn_service(tick, 10ms);
        co_await rf::sleep_for(35ms);
    });
}

// 2: a batch

rf::task<> process(int item, shared_numbers done) {
    co_await rf::sleep_for(item * 1ms);
    if (item != 3) co_await done->send(item);
}

// Counts one result too few, or returns on the first; the others wait to tell theirs.
rf::task<> batch_not_joined() {
    auto done = make_numbers();
    for (int item = 1; item <= 5; ++item) {
        note_next_line();
        rf::root_nursery().spawn(process, item, done);
    }
    auto first = co_await done->receive();
    CHECK(first == 1);
}

rf::task<> batch_joined() {
    auto done = make_numbers(5);
    co_await rf::with_nursery([&](rf::nursery& items) -> rf::task<> {
        for (int item = 1; item <= 5; ++item)
            items.spawn(process, item, done);
        co_return;
    });
}

// 4: a receive with a timeout

rf::task<> pass_on(shared_numbers from, shared_numbers to) {
    auto item = co_await from->receive();
    co_await to->send(item.value());
}

rf::task<> receive_beside_a_timer() {
    auto items = make_numbers();
    auto found = make_numbers();
    note_next_line();
    rf::root_nursery().spawn(pass_on, items, found);
    auto won = co_await rf::select(found->receive(), rf::sleep_for(10ms));
    CHECK(won.index() == 1);
}

rf::task<> receive_with_a_limit() {
    channel<int> items(0);
    auto got = co_await rf::move_on_after(10ms, items.receive());
    CHECK(!got);
}

// 5: a service that is watched

rf::task<> answer_request() { co_await rf::sleep_for(1ms); }
rf::task<> audit(shared_numbers records) { (void)co_await records->receive(); }

rf::task<> service_that_loses_audits() {
    auto records = make_numbers();
    std::string warned;
    rf::leakcheck::monitor watch({.interval = 100ms});
    watch.on_growth([&](const rf::leakcheck::growth_warning& what) { warned = what.table(); });
    co_await rf::with_nursery([&](rf::nursery& requests) -> rf::task<> {
        requests.spawn_service([&] { return watch.run(); });
        for (int i = 0; i < 2000; ++i) {
            requests.spawn(answer_request);
            note_next_line();
            if (i % 10 == 0) rf::root_nursery().spawn(audit, records);
            co_await rf::sleep_for(1ms);
        }
    });
    CHECK(blamed(warned, "spawned", spawn_line) == 1);
}

rf::task<> service_whose_audits_end() {
    auto records = make_numbers();
    std::string warned;
    rf::leakcheck::monitor watch({.interval = 100ms});
    watch.on_growth([&](const rf::leakcheck::growth_warning& what) { warned = what.table(); });
    auto limited_audit = [&]() -> rf::task<> { co_await rf::move_on_after(5ms, audit(records)); };
    co_await rf::with_nursery([&](rf::nursery& requests) -> rf::task<> {
        requests.spawn_service([&] { return watch.run(); });
        for (int i = 0; i < 2000; ++i) {
            requests.spawn(answer_request);
            if (i % 10 == 0) requests.spawn(limited_audit);
            co_await rf::sleep_for(1ms);
        }
    });
    CHECK(warned == "");
}

// 6: a pool of workers

rf::task<> work_off(shared_numbers jobs, shared_numbers results) {
    while (auto job = co_await jobs->receive())
        co_await results->send(*job * 2);
}

rf::task<> workers_never_told_to_end() {
    auto jobs = make_numbers(10);
    auto results = make_numbers(100);
    for (int worker = 0; worker < 10; ++worker) {
        note_next_line();
        rf::root_nursery().spawn(work_off, jobs, results);
    }
    for (int job = 0; job < 100; ++job)
        co_await jobs->send(job);
    for (int job = 0; job < 100; ++job)
        (void)co_await results->receive();
}

rf::task<int> doubled(int job) {
    co_await rf::sleep_for(1ms);
    co_return job * 2;
}

rf::task<> jobs_in_a_worker_pool() {
    std::optional<rf::sync::worker_pool> pool;
    co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
        pool.emplace(home, rf::sync::worker_pool_options{.workers = 10, .queue = 10});
        std::vector<rf::sync::pool_job_handle<int>> handles;
        for (int job = 0; job < 100; ++job) {
            auto handle = co_await pool->submit(doubled, job);
            handles.push_back(std::move(handle));
        }
        for (auto& handle : handles)
            (void)co_await handle.result();
    });
    CHECK(pool->statistics().succeeded == 100);
}

// 7: a fan-out with a limited rate

using shared_limit = std::shared_ptr<rf::sync::rate_limiter>;

rf::task<> call(shared_limit limit, int number, shared_numbers failures) {
    co_await limit->acquire();
    if (number == 3) co_await failures->send(number);
}

// Returns on the first failure. The other calls are made all the same, one a second.
rf::task<> fan_out_that_returns_early() {
    auto limit = std::make_shared<rf::sync::rate_limiter>(rf::sync::rate{.burst = 3});
    auto failures = make_numbers();
    for (int number = 1; number <= 10; ++number) {
        note_next_line();
        rf::root_nursery().spawn(call, limit, number, failures);
    }
    (void)co_await failures->receive();
}

rf::task<> fan_out_in_a_nursery() {
    auto limit = std::make_shared<rf::sync::rate_limiter>(rf::sync::rate{.burst = 3});
    auto failures = make_numbers();
    co_await rf::with_nursery([&](rf::nursery& calls) -> rf::task<> {
        for (int number = 1; number <= 10; ++number)
            calls.spawn(call, limit, number, failures);
        (void)co_await failures->receive();
        calls.cancel();
    });
}

// 8: calls to a service that hangs

rf::task<> ask(shared_numbers service, shared_numbers answer) {
    auto got = co_await service->receive();
    co_await answer->send(got.value());
}

rf::task<> calls_that_hang() {
    auto service = make_numbers();
    for (int request = 0; request < 5; ++request) {
        auto answer = make_numbers();
        note_next_line();
        rf::root_nursery().spawn(ask, service, answer);
        (void)co_await rf::select(answer->receive(), rf::sleep_for(10ms));
    }
}

rf::task<> calls_behind_a_breaker() {
    channel<int> service(0);
    rf::sync::circuit_breaker breaker({.failures_in_a_row = 3, .open_for = 1h});
    [[maybe_unused]] auto guarded = breaker.guard([&]() -> rf::task<> {
        auto got = co_await rf::move_on_after(10ms, service.receive());
        if (!got) RF_THROW(std::runtime_error("late"));
    });
    for (int request = 0; request < 5; ++request) {
#if RF_EXCEPTIONS
        try {
            co_await guarded();
        } catch (const std::runtime_error&) {  // late, or refused
        }
#else
        auto leave = breaker.try_admit();
        if (!leave) continue;
        auto got = co_await rf::move_on_after(10ms, service.receive());
        CHECK(!got);
        leave.failed();
#endif
    }
    CHECK(breaker.statistics().failed == 3);
    CHECK(breaker.statistics().refused == 2);
}

}  // namespace

TEST_CASE("everyday leaks: a ticker that nobody stops is named, one in a nursery is gone with it") {
    const std::string found = left_by(ticker_left_alone);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 1, found);
    CHECK(left_by(ticker_in_its_scope) == "");
}

TEST_CASE("everyday leaks: items of a batch that is not joined are named, one by one") {
    const std::string found = left_by(batch_not_joined);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 3, found);
    CHECK(left_by(batch_joined) == "");
}

TEST_CASE("everyday leaks: a receive that outlives its timeout is named, a case of select is not") {
    const std::string found = left_by(receive_beside_a_timer);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 1, found);
    CHECK(left_by(receive_with_a_limit) == "");
}

TEST_CASE("everyday leaks: a service that loses tasks is named by the monitor and by the guard") {
    const std::string found = left_by(service_that_loses_audits);
    CHECK(blamed(found, "spawned", spawn_line) == 200);
    CHECK(left_by(service_whose_audits_end) == "");
}

TEST_CASE("everyday leaks: workers whose jobs are never closed are named, a pool has none idle") {
    const std::string found = left_by(workers_never_told_to_end);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 10, found);
    CHECK(left_by(jobs_in_a_worker_pool) == "");
}

TEST_CASE("everyday leaks: calls that still wait for their turn are named, or end with the first") {
    const std::string found = left_by(fan_out_that_returns_early);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 7, found);
    CHECK(left_by(fan_out_in_a_nursery) == "");
}

TEST_CASE("everyday leaks: calls to a service that hangs are named, or end with their limit") {
    const std::string found = left_by(calls_that_hang);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 5, found);
    CHECK(left_by(calls_behind_a_breaker) == "");
}
