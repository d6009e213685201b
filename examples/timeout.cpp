// SPDX-License-Identifier: MIT
// What a time limit does to a peer that says nothing: timeout [milliseconds]
//
// The silent peer is in this program: it accepts, sends one line late, and then only listens.
#include "examples/arguments.hpp"
#include <ringfence/ringfence.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>

namespace {

using namespace std::chrono_literals;
using milliseconds = std::chrono::milliseconds;
using rf::io::tcp_stream;

double ms_since(rf::clock::time_point start) {
    return std::chrono::duration<double, std::milli>(rf::clock::now() - start).count();
}

rf::task<> silent_peer(rf::io::tcp_listener& listener, milliseconds late) {
    tcp_stream client = co_await listener.accept();
    co_await rf::sleep_for(late);
    co_await client.write_all("better late than never\n");
    while (auto ignored = co_await client.read()) {
    }
}

// [with_timeout]
rf::task<> throwing(tcp_stream& peer, milliseconds limit) {
    const auto start = rf::clock::now();
    try {
        auto chunk = co_await rf::with_timeout(limit, peer.read());
        std::printf("with_timeout: %zu bytes\n", chunk.size());
    } catch (const rf::timeout_error& error) {
        std::printf("with_timeout: %s, after %.0f ms\n", error.what(), ms_since(start));
    }
}
// [/with_timeout]

// [move_on_after]
rf::task<> moving_on(tcp_stream& peer, milliseconds limit) {
    std::array<std::byte, 64> line;
    const auto size = co_await rf::move_on_after(limit, peer.read_some(line));
    if (size)
        std::printf("move_on_after: %zu bytes\n", *size);
    else
        std::printf("move_on_after: nothing within %lld ms, and nothing lost\n",
                    static_cast<long long>(limit.count()));
}
// [/move_on_after]

// [deadline]
// One deadline for a whole conversation: every wait inside, however deep, has what is left of it.
rf::task<> under_one_deadline(tcp_stream& peer, milliseconds limit) {
    const auto until = rf::clock::now() + limit;
    const bool finished = co_await rf::move_on_at(until, [&]() -> rf::task<> {
        for (int said = 0;; ++said) {
            const auto left = *rf::this_task::deadline() - rf::clock::now();
            std::printf("move_on_at: said %d times, %.0f ms left\n", said,
                        std::chrono::duration<double, std::milli>(left).count());
            co_await peer.write_all("are you there?\n");
            auto answer = co_await rf::move_on_after(limit / 3, peer.read());
            if (answer && !*answer) co_return;  // the peer has left
        }
    });
    std::printf("move_on_at: the conversation %s\n", finished ? "ended" : "was cut off");
}
// [/deadline]

rf::task<> conversation(milliseconds limit) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    co_await rf::with_nursery([&](rf::nursery& peers) -> rf::task<> {
        peers.spawn_service(silent_peer, std::ref(listener), limit * 5 / 2);
        auto peer = co_await tcp_stream::connect(listener.local());
        co_await throwing(peer, limit);
        co_await moving_on(peer, limit);
        co_await moving_on(peer, limit);  // the late line comes now, whole
        co_await under_one_deadline(peer, limit);
    });
}

}  // namespace

int main(int argc, char** argv) {
    const auto limit = argc == 2 ? arguments::number(argv[1], 60'000) : 200;
    if (argc > 2 || !limit || *limit == 0) {
        std::fprintf(stderr, "usage: timeout [milliseconds]\n");
        return 2;
    }
    return rf::run([&] { return conversation(milliseconds(*limit)); },
                   {.stop_on = {SIGINT, SIGTERM}});
}
