// SPDX-License-Identifier: MIT
// A fetch with a deadline that closes its connection: fetch_deadline <port> [milliseconds]
//
// Sends a line to 127.0.0.1:port and waits for one back. Whichever way fetch() is left, the
// connection is closed: it belongs to the frame, and the frame goes when the deadline passes.
#include "examples/arguments.hpp"
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace {

using std::chrono::milliseconds;

// [fetch]
rf::task<std::string> fetch(std::uint16_t port) {
    auto peer = co_await rf::io::tcp_stream::connect({"127.0.0.1", port});
    co_await peer.write_all("hello\n");
    auto answer = co_await peer.read();
    co_return std::string(answer.text());
}

rf::task<> program(std::uint16_t port, milliseconds limit) {
    const auto before = rf::loop::here().account().descriptors;
    try {
        auto answer = co_await rf::with_timeout(limit, fetch(port));
        std::printf("answer: %s", answer.c_str());
    } catch (const rf::timeout_error& late) {
        std::printf("%s\n", late.what());
    }
    std::printf("connections left open: %zu\n", rf::loop::here().account().descriptors - before);
}
// [/fetch]

}  // namespace

int main(int argc, char** argv) {
    const auto port = argc >= 2 ? arguments::number(argv[1], 65'535) : std::nullopt;
    const auto limit = argc == 3 ? arguments::number(argv[2], 60'000) : 1000;
    if (argc > 3 || !port || !limit || *limit == 0) {
        std::fprintf(stderr, "usage: fetch_deadline <port> [milliseconds]\n");
        return 2;
    }
    return rf::run(
        [&] { return program(static_cast<std::uint16_t>(*port), milliseconds(*limit)); });
}
