// SPDX-License-Identifier: MIT
// A TCP echo service: echo_server <port> [--max-connections N]
//
// SIGTERM or SIGINT drains it: what has arrived is answered, silent connections are closed. Then it
// prints what it did and what it left behind: nothing.
#include "examples/arguments.hpp"
#include <ringfence/ringfence.hpp>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>

namespace {

// [echo]
rf::task<> echo(rf::io::tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}
// [/echo]

// [service]
rf::task<> service(std::uint16_t port, std::uint32_t connections_max) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    co_await rf::io::serve(listener, echo, {.max_connections = connections_max});
}
// [/service]

struct settings {
    std::uint16_t port = 0;
    std::uint32_t connections_max = 0;
};

std::optional<settings> parse(int argc, char** argv) {
    if (argc != 2 && argc != 4) return std::nullopt;
    const auto port = arguments::port(argv[1]);
    if (!port) return std::nullopt;
    if (argc == 2) return settings{*port, 0};
    const auto connections = arguments::number(argv[3], 1'000'000);
    if (std::strcmp(argv[2], "--max-connections") != 0 || !connections) return std::nullopt;
    return settings{*port, static_cast<std::uint32_t>(*connections)};
}

void print_receipt(const rf::accounting& end) {
    std::printf("work: %llu tasks started, %llu cancelled, %llu at the peak\nexit: %s\n",
                static_cast<unsigned long long>(end.tasks_started),
                static_cast<unsigned long long>(end.tasks_cancelled),
                static_cast<unsigned long long>(end.tasks_peak), end.receipt().c_str());
}

}  // namespace

int main(int argc, char** argv) {
    const auto chosen = parse(argc, argv);
    if (!chosen) {
        std::fprintf(stderr, "usage: echo_server <port> [--max-connections N]\n");
        return 2;
    }
    // [run]
    const rf::run_report report =
        rf::run_and_report([&] { return service(chosen->port, chosen->connections_max); },
                           {.stop_on = {SIGINT, SIGTERM}});
    print_receipt(report.final);
    return rf::print_report(report);
    // [/run]
}
