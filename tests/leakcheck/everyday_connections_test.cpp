// SPDX-License-Identifier: MIT
// Connections as they are lost in programs of every day; see everyday_tasks_test.cpp. On the real
// kernel: sockets that listen.
#include "tests/leakcheck/everyday_leaks.hpp"
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/runtime/for_each_concurrent.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/until_drained.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <ranges>
#include <source_location>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using rf::io::tcp_listener;
using rf::io::tcp_stream;
using rf::sync::channel;
using rf::test::blamed;
using rf::test::left_by_real;

namespace {

unsigned spawn_line = 0;  // where the leaky program of a case starts what it loses
unsigned open_line = 0;   // where it opens it
/// The line behind the call.
void note_next_line(unsigned& into, std::source_location here = std::source_location::current()) {
    into = here.line() + 1;
}

using shared_texts = std::shared_ptr<channel<std::string>>;

shared_texts make_texts(std::size_t capacity = 0) {
    return std::make_shared<channel<std::string>>(capacity);
}

// 3: a fetch with a deadline

rf::task<std::string> fetch(std::uint16_t port) {
    note_next_line(open_line);
    auto peer = co_await tcp_stream::connect({"127.0.0.1", port});
    co_await peer.write_all("hello\n");
    auto answer = co_await peer.read();
    co_return std::string(answer.text());
}

rf::task<> fetch_into(std::uint16_t port, shared_texts answers) {
    auto answer = co_await fetch(port);
    co_await answers->send(std::move(answer));
}

rf::task<> fetch_beside_a_timer(tcp_listener& silent) {
    auto answers = make_texts();
    note_next_line(spawn_line);
    rf::root_nursery().spawn(fetch_into, silent.local().port(), answers);
    auto won = co_await rf::select(answers->receive(), rf::sleep_for(10ms));
    CHECK(won.index() == 1);
}

rf::task<> fetch_with_a_limit(tcp_listener& silent) {
    auto answer = co_await rf::move_on_after(10ms, fetch(silent.local().port()));
    CHECK(!answer);
}

// 9: a database query with a deadline; the connection is one of a pool

struct connection_pool {
    rf::io::endpoint database;
    std::list<tcp_stream> idle{};

    rf::task<tcp_stream> take() {
        if (idle.empty()) {
            note_next_line(open_line);
            auto fresh = co_await tcp_stream::connect(database);
            co_return fresh;
        }
        tcp_stream connection = std::move(idle.front());
        idle.pop_front();
        co_return connection;
    }
};

rf::task<> query(std::shared_ptr<connection_pool> pool, shared_texts rows) {
    auto connection = co_await pool->take();
    co_await connection.write_all("SELECT 1\n");
    auto row = co_await connection.read();
    std::string text(row.text());
    pool->idle.push_back(std::move(connection));
    co_await rows->send(std::move(text));
}

rf::task<> query_given_up_by_its_caller(tcp_listener& silent) {
    auto pool = std::make_shared<connection_pool>(connection_pool{silent.local()});
    auto rows = make_texts();
    note_next_line(spawn_line);
    rf::root_nursery().spawn(query, pool, rows);
    (void)co_await rf::select(rows->receive(), rf::sleep_for(10ms));
}

rf::task<> query_with_a_limit(tcp_listener& silent) {
    auto pool = std::make_shared<connection_pool>(connection_pool{silent.local()});
    auto done = co_await rf::move_on_after(10ms, query(pool, make_texts()));
    CHECK(!done);
}

/// What `client` leaves that speaks to somebody who never answers.
std::string left_by_client(rf::task<> (*client)(tcp_listener&)) {
    std::string found;
    rf::test::run_real([&]() -> rf::task<> {
        auto silent = tcp_listener::bind({"127.0.0.1", 0});
        auto program = [&] { return client(silent); };
        co_await rf::test::guard_program(program, found);
    });
    return found;
}

// 10: many fetches

rf::task<> answer_some(tcp_stream peer) {
    auto question = co_await peer.read();
    co_await peer.write_all(question.text() == "3" ? "broken" : "fine");
    while (auto rest = co_await peer.read()) {
    }
}

rf::task<> fetch_page(std::uint16_t port, int number, shared_texts outcomes) {
    auto peer = co_await tcp_stream::connect({"127.0.0.1", port});
    co_await peer.write_all(std::to_string(number));
    auto answer = co_await peer.read();
    co_await outcomes->send(std::string(answer.text()));
}

/// Calls `fn(port, outcomes)` beside a server.
template <class F>
rf::task<> beside_a_server(F fn) {
    auto listener = tcp_listener::bind({"127.0.0.1", 0});
    auto outcomes = make_texts();
    co_await rf::with_nursery([&](rf::nursery& server) -> rf::task<> {
        server.spawn([&] { return rf::io::serve(listener, answer_some); });
        co_await fn(listener.local().port(), outcomes);
        server.cancel();
    });
}

// The first that is broken ends it; nobody takes the outcomes of the others.
rf::task<> fetches_after_the_first_error(std::uint16_t port, shared_texts outcomes) {
    for (int number = 1; number <= 20; ++number) {
        note_next_line(spawn_line);
        rf::root_nursery().spawn(fetch_page, port, number, outcomes);
    }
    for (std::string outcome; outcome != "broken";) {
        auto next = co_await outcomes->receive();
        outcome = *next;
    }
}

rf::task<> fetches_a_few_at_a_time(std::uint16_t port, shared_texts outcomes) {
    auto one = [&](int number) -> rf::task<> { return fetch_page(port, number, outcomes); };
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> {
            co_await rf::for_each_concurrent(std::views::iota(1, 21), 5, one);
        });
        for (std::string outcome; outcome != "broken";) {
            auto next = co_await outcomes->receive();
            outcome = *next;
        }
        both.cancel();
    });
}

// 13: a server that drains

rf::task<> handle(tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<> serve_without_owning(tcp_listener& listener) {
    auto accept_all = [&]() -> rf::task<> {
        for (;;) {
            note_next_line(open_line);
            auto peer = co_await listener.accept();
            note_next_line(spawn_line);
            rf::root_nursery().spawn(handle, std::move(peer));
        }
    };
    co_await rf::until_drained(accept_all);
}

rf::task<> serve_as_children(tcp_listener& listener) { co_await rf::io::serve(listener, handle); }

/// What is left of a drained server while its two clients stay connected.
std::string left_by_drained(rf::task<> (*server)(tcp_listener&)) {
    std::string found;
    rf::test::run_real([&]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        auto one = co_await tcp_stream::connect(listener.local());
        auto two = co_await tcp_stream::connect(listener.local());
        rf::leakcheck::guard nothing_left;
        co_await rf::with_nursery([&](rf::nursery& service) -> rf::task<> {
            service.spawn(server, std::ref(listener));
            for (tcp_stream* client : {&one, &two}) {  // until both are being served
                co_await client->write_all("?");
                (void)co_await client->read();
            }
            service.drain(1s);
        });
        found = nothing_left.findings();
        rf::root_nursery().cancel();
    });
    return found;
}

}  // namespace

TEST_CASE(
    "everyday leaks: a fetch given up is named with its connection, one with a limit is gone") {
    const std::string found = left_by_client(fetch_beside_a_timer);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 1, found);
    CHECK_MESSAGE(blamed(found, "(tcp stream) opened", open_line) == 1, found);
    CHECK(left_by_client(fetch_with_a_limit) == "");
}

TEST_CASE(
    "everyday leaks: a query given up is named with its connection, one with a limit is not") {
    const std::string found = left_by_client(query_given_up_by_its_caller);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 1, found);
    CHECK_MESSAGE(blamed(found, "(tcp stream) opened", open_line) == 1, found);
    CHECK(left_by_client(query_with_a_limit) == "");
}

TEST_CASE("everyday leaks: fetches that go on after the first error are named, or are cancelled") {
    const std::string found =
        left_by_real([] { return beside_a_server(fetches_after_the_first_error); });
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) >= 1, found);
    CHECK(left_by_real([] { return beside_a_server(fetches_a_few_at_a_time); }) == "");
}

TEST_CASE(
    "everyday leaks: handlers that a drain does not end are named, those of serve() have ended") {
    const std::string found = left_by_drained(serve_without_owning);
    CHECK_MESSAGE(blamed(found, "spawned", spawn_line) == 2, found);
    CHECK_MESSAGE(blamed(found, "(tcp stream) opened", open_line) == 2, found);
    CHECK(left_by_drained(serve_as_children) == "");
}
