// SPDX-License-Identifier: MIT
#include <ringfence/ringfence.hpp>

#include <csignal>

rf::task<> echo(rf::io::tcp_stream peer) {
    while (auto chunk = co_await peer.read())  // borrows a buffer only while bytes are here
        co_await peer.write_all(chunk);
}

rf::task<> service() {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 7000});
    co_await rf::io::serve(listener, echo);  // each peer is a child; its failure stays its own
}

int main() { return rf::run(service, {.stop_on = {SIGINT, SIGTERM}}); }
