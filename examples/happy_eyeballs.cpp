// SPDX-License-Identifier: MIT
// Connects to the first of several addresses that answers: happy_eyeballs <address:port>...
//
// Attempts start 250 ms apart, or as soon as one fails; the first that is up wins, and the others
// are cancelled and closed. All of them together have ten seconds.
#include "examples/arguments.hpp"
#include <ringfence/ringfence.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <vector>

namespace {

using namespace std::chrono_literals;

// [connect]
rf::task<> connect_to(std::vector<rf::io::endpoint> peers) {
    const auto start = rf::clock::now();
    auto stream = co_await rf::with_timeout(10s, rf::io::connect_any(std::move(peers)));
    const std::chrono::duration<double, std::milli> took = rf::clock::now() - start;
    std::printf("connected to %s after %.1f ms\n", stream.peer().to_string().c_str(), took.count());
}
// [/connect]

}  // namespace

int main(int argc, char** argv) {
    std::vector<rf::io::endpoint> peers;
    for (int i = 1; i < argc; ++i) {
        const auto peer = arguments::endpoint(argv[i]);
        if (!peer) {
            std::fprintf(stderr, "happy_eyeballs: not an address and port: %s\n", argv[i]);
            return 2;
        }
        peers.push_back(*peer);
    }
    if (peers.empty()) {
        std::fprintf(stderr, "usage: happy_eyeballs <address:port>...\n");
        return 2;
    }
    return rf::run([&] { return connect_to(peers); }, {.stop_on = {SIGINT, SIGTERM}});
}
