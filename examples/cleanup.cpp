// SPDX-License-Identifier: MIT
// Three ways out of a conversation, and what cleans up on each: cleanup
//
// The server is in this program: it answers every line with "yes", except "think", which takes it
// for ever, and "quarrel" and "goodbye", on which it hangs up.
#include <ringfence/ringfence.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string_view>

namespace {

using namespace std::chrono_literals;
using rf::io::tcp_stream;

rf::task<> server(rf::io::tcp_listener& listener) {
    for (;;) {
        tcp_stream client = co_await listener.accept();
        while (auto line = co_await client.read()) {
            std::printf("  the server hears: %.*s\n", static_cast<int>(line.size()),
                        line.text().data());
            if (line.text() == "quarrel" || line.text() == "goodbye") break;
            if (line.text() != "think") co_await client.write_all("yes");
        }
    }
}

rf::task<> ask(tcp_stream& peer, std::string_view question) {
    co_await peer.write_all(question);
    auto answer = co_await peer.read();
    if (!answer) throw std::runtime_error("the server hung up");
}

// [finally]
// Waits: for the bytes to go, and for the server to hang up.
rf::task<> say_goodbye(tcp_stream& peer) {
    co_await peer.write_all("goodbye");
    while (auto ignored = co_await peer.read()) {
    }
}

rf::task<> talk(rf::io::endpoint where, std::string_view question) {
    auto peer = co_await tcp_stream::connect(where);
    rf::scope_failure complain([] { std::printf("  the conversation went wrong\n"); });
    rf::scope_success rejoice([] { std::printf("  the conversation went well\n"); });
    // Runs on a value, on an exception and on cancellation, and may wait.
    co_await rf::finally([&] { return ask(peer, question); }, [&] { return say_goodbye(peer); },
                         {.limit = 500ms});
}
// [/finally]

rf::task<> conversations() {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    co_await rf::with_nursery([&](rf::nursery& parts) -> rf::task<> {
        parts.spawn_service(server, std::ref(listener));
        const auto where = listener.local();

        std::printf("ends well:\n");
        co_await talk(where, "hello");

        std::printf("is cancelled:\n");
        const bool finished = co_await rf::move_on_after(100ms, talk(where, "think"));
        std::printf("  finished: %s\n", finished ? "yes" : "no");

        std::printf("fails:\n");
        try {
            co_await talk(where, "quarrel");
        } catch (const std::exception& error) {
            std::printf("  caught: %s\n", error.what());
        }
    });
}

}  // namespace

int main() { return rf::run(conversations, {.stop_on = {SIGINT, SIGTERM}}); }
