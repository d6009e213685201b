// SPDX-License-Identifier: MIT
// A server that finishes what it is at when it is told to stop, within a limit:
// drain_server <port> [milliseconds]
//
// Handlers that run for themselves are cut off by the end of the process, or keep it from ending.
// These are children of serve(): SIGTERM stops the accepting, they have the time that is given to
// answer, and who is later than that is cancelled. A line is answered after half a second, the line
// "never" never.
#include "examples/arguments.hpp"
#include <ringfence/io/buffered_reader.hpp>
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

struct tally {
    int answered = 0;
    int dropped = 0;
};

// [drain]
rf::task<> handle(rf::io::tcp_stream peer, tally& all) {
    rf::io::buffered_reader lines(peer);
    while (auto line = co_await lines.read_line()) {
        ++all.dropped;  // until it is answered
        if (*line == "never") co_await rf::sleep_forever();
        co_await rf::sleep_for(500ms);
        co_await peer.write_all("done: " + *line + "\n");
        --all.dropped;
        ++all.answered;
    }
}

rf::task<> service(std::uint16_t port, milliseconds grace, tally& all) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    auto start = [&](rf::io::tcp_stream peer) { return handle(std::move(peer), all); };
    co_await rf::io::serve(listener, start, {.drain_grace = grace});
}

int run_service(std::uint16_t port, milliseconds grace) {
    tally all;
    const rf::run_report end = rf::run_and_report([&] { return service(port, grace, all); },
                                                  {.stop_on = {SIGINT, SIGTERM}});
    std::printf("%d answered, %d dropped\nexit: %s\n", all.answered, all.dropped,
                end.final.receipt().c_str());
    return rf::print_report(end);
}
// [/drain]

}  // namespace

int main(int argc, char** argv) {
    const auto port = argc >= 2 ? arguments::port(argv[1]) : std::nullopt;
    const auto grace = argc == 3 ? arguments::number(argv[2], 60'000) : 5000;
    if (argc > 3 || !port || !grace) {
        std::fprintf(stderr, "usage: drain_server <port> [milliseconds]\n");
        return 2;
    }
    return run_service(*port, milliseconds(*grace));
}
