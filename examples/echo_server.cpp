// SPDX-License-Identifier: MIT
// A TCP echo service: echo_server <port> [--max-connections N] [--shards N]
//
// With --shards it runs on N processors, 0: on all it may use. Each shard has a listener of its own
// on the port, between which the kernel spreads the clients; the limit is each shard's.
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

void announce(const rf::io::tcp_listener& listener) {
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
}

// [service]
rf::task<> service(std::uint16_t port, std::uint32_t connections_max) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
    announce(listener);
    co_await rf::io::serve(listener, echo, {.max_connections = connections_max});
}
// [/service]

// [shard]
rf::task<> shard_service(std::uint16_t port, std::uint32_t connections_max) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port}, {.reuse_port = true});
    if (rf::this_shard().index() == 0) announce(listener);
    co_await rf::io::serve(listener, echo, {.max_connections = connections_max});
}
// [/shard]

struct settings {
    std::uint16_t port = 0;
    std::uint32_t connections_max = 0;
    std::optional<std::uint32_t> shards;
};

std::optional<settings> parse(int argc, char** argv) {
    if (argc < 2 || argc % 2 != 0) return std::nullopt;
    settings chosen;
    const auto port = arguments::port(argv[1]);
    if (!port) return std::nullopt;
    chosen.port = *port;
    for (int i = 2; i < argc; i += 2) {
        const bool shards = std::strcmp(argv[i], "--shards") == 0;
        if (!shards && std::strcmp(argv[i], "--max-connections") != 0) return std::nullopt;
        const auto value = arguments::number(argv[i + 1], shards ? 256 : 1'000'000);
        if (!value) return std::nullopt;
        if (shards)
            chosen.shards = static_cast<std::uint32_t>(*value);
        else
            chosen.connections_max = static_cast<std::uint32_t>(*value);
    }
    // Each shard binds the port by itself: it has to be a certain one.
    if (chosen.shards && chosen.port == 0) return std::nullopt;
    return chosen;
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
        std::fprintf(stderr,
                     "usage: echo_server <port> [--max-connections N] [--shards N, but then "
                     "not port 0]\n");
        return 2;
    }
    if (chosen->shards) {
        // [run_sharded]
        const rf::sharded_report report = rf::run_sharded_and_report(
            *chosen->shards, [&] { return shard_service(chosen->port, chosen->connections_max); },
            {.run = {.stop_on = {SIGINT, SIGTERM}}});
        print_receipt(report.whole.final);
        return rf::print_report(report);
        // [/run_sharded]
    }
    // [run]
    const rf::run_report report =
        rf::run_and_report([&] { return service(chosen->port, chosen->connections_max); },
                           {.stop_on = {SIGINT, SIGTERM}});
    print_receipt(report.final);
    return rf::print_report(report);
    // [/run]
}
