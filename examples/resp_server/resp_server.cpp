// SPDX-License-Identifier: MIT
// A key-value service that speaks RESP2: resp_server <port>
//
// PING, ECHO, GET, SET (EX, PX), DEL, EXPIRE, TTL, INCR, DBSIZE, QUIT; pipelined and inline
// commands. All commands that arrive together are answered with one write. SIGTERM or SIGINT drains
// it.
#include "commands.hpp"
#include "examples/arguments.hpp"
#include "limits.hpp"
#include "request_reader.hpp"
#include "store.hpp"
#include <ringfence/ringfence.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>

namespace {

using namespace std::chrono_literals;
using rf::io::tcp_stream;

constexpr auto sweep_interval = 100ms;
constexpr std::size_t swept_max = 10'000;  // in one go
constexpr auto farewell_limit = 1s;

enum class progress { more_input, more_room, end };

// Answers what has arrived, until the reply is large enough to be sent.
progress answer_all(resp::store& data, resp::request_reader& input, std::string& reply) {
    using outcome = resp::request_reader::outcome;
    for (;;) {
        if (reply.size() >= resp::limits::reply_bytes) return progress::more_room;
        switch (input.next()) {
        case outcome::incomplete: return progress::more_input;
        case outcome::malformed: resp::append_error(reply, input.complaint()); return progress::end;
        case outcome::request:
            if (resp::answer(data, input.words(), reply) == resp::after_reply::close)
                return progress::end;
        }
    }
}

rf::task<> discard_input(tcp_stream& peer) {
    while (auto ignored = co_await peer.read()) {
    }
}

// A connection closed with bytes unread is reset, and the peer may never see the last reply.
rf::task<> say_goodbye(tcp_stream& peer) {
    co_await peer.shutdown_write();
    co_await rf::move_on_after(farewell_limit, discard_input(peer));
}

// [session]
rf::task<> session(resp::store& data, tcp_stream peer) {
    resp::request_reader input;
    std::string reply;
    while (auto chunk = co_await peer.read()) {
        input.feed(chunk);
        progress next = answer_all(data, input, reply);
        input.keep_rest();
        chunk = {};  // the buffer goes back before a slow reader can make us wait
        while (!reply.empty()) {
            co_await peer.write_all(reply);
            reply.clear();
            if (next == progress::more_room) {
                next = answer_all(data, input, reply);
                input.keep_rest();
            }
        }
        if (next == progress::end) co_return co_await say_goodbye(peer);
    }
}
// [/session]

// [sweeper]
rf::task<> sweep(resp::store& data) {
    for (;;) {
        co_await rf::sleep_for(sweep_interval);
        data.sweep(swept_max);
    }
}

rf::task<> service(std::uint16_t port) {
    resp::store data;
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    auto serve_one = [&data](tcp_stream peer) { return session(data, std::move(peer)); };
    co_await rf::with_nursery([&](rf::nursery& parts) -> rf::task<> {
        parts.spawn_service(sweep, std::ref(data));  // ends with the server, and its timer with it
        co_await rf::io::serve(listener, serve_one);
    });
}
// [/sweeper]

}  // namespace

int main(int argc, char** argv) {
    const auto port = argc == 2 ? arguments::port(argv[1]) : std::nullopt;
    if (!port) {
        std::fprintf(stderr, "usage: resp_server <port>\n");
        return 2;
    }
    return rf::run([&] { return service(*port); }, {.stop_on = {SIGINT, SIGTERM}});
}
