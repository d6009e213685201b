// SPDX-License-Identifier: MIT
// A database query with a deadline: database_deadline
//
// A query given up by its caller goes on in the background elsewhere: its task waits, and its
// connection is not back in the pool and not closed. Here both belong to the frame of the query:
// a deadline frees them, and a connection whose answer is still under way is closed, not used
// again. The database is a small one on a socket pair: `SELECT n` gives a row after n milliseconds.
#include "examples/arguments.hpp"
#include <ringfence/io/buffered_reader.hpp>
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <chrono>
#include <cstdio>
#include <list>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;

rf::task<> database_session(rf::io::unix_stream client) {
    rf::io::buffered_reader statements(client);
    while (auto statement = co_await statements.read_line()) {
        const auto wait = arguments::number(statement->substr(7), 60'000);
        co_await rf::sleep_for(wait.value_or(0) * 1ms);
        co_await client.write_all("row " + statement->substr(7) + "\n");
    }
}

// [query]
struct connection_pool {
    rf::nursery& database;  // where the sessions of the other side run
    std::list<rf::io::unix_stream> idle{};
    int opened = 0;

    rf::io::unix_stream take() {
        if (idle.empty()) {
            auto [near, far] = rf::io::unix_stream::pair();
            database.spawn(database_session, std::move(far));
            ++opened;
            return std::move(near);
        }
        rf::io::unix_stream connection = std::move(idle.front());
        idle.pop_front();
        return connection;
    }
};

rf::task<std::string> query(connection_pool& pool, std::string statement) {
    rf::io::unix_stream connection = pool.take();
    co_await connection.write_all(statement + "\n");
    rf::io::buffered_reader rows(connection);
    auto row = co_await rows.read_line();
    pool.idle.push_back(std::move(connection));  // only now is it fit for another query
    co_return row.value_or("the database is gone");
}
// [/query]

rf::task<> ask(connection_pool& pool, std::string statement) {
    std::string outcome;
    try {
        outcome = co_await rf::with_timeout(500ms, query(pool, statement));
    } catch (const rf::timeout_error&) {
        outcome = "given up";
    }
    std::printf("%s: %s; connections opened %d, idle %zu\n", statement.c_str(), outcome.c_str(),
                pool.opened, pool.idle.size());
}

rf::task<> program() {
    auto body = [&](rf::nursery& database) -> rf::task<> {
        connection_pool pool{database};
        co_await ask(pool, "SELECT 1");
        co_await ask(pool, "SELECT 2");
        co_await ask(pool, "SELECT 60000");
        co_await ask(pool, "SELECT 3");
        database.cancel();
    };
    co_await rf::with_nursery(body);
    std::printf("tasks alive: %llu, descriptors open: %llu\n",
                static_cast<unsigned long long>(rf::loop::here().account().tasks_live - 1),
                static_cast<unsigned long long>(rf::loop::here().account().descriptors));
}

}  // namespace

int main() { return rf::run(program); }
