// SPDX-License-Identifier: MIT
// A service under watch: watched_service <port> [shards]
//
// Each connection sends a number and gets back how many primes are below it. A large one holds the
// loop, and standard error says so: printf 3000000 | nc -N 127.0.0.1 <port>
// With shards, the first accepts and all take turns to answer, each with a watcher of its own.
#include "examples/arguments.hpp"
#include <ringfence/ringfence.hpp>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>

namespace {

long primes_below(long limit) {
    long found = 0;
    for (long n = 2; n < limit; ++n) {
        bool prime = true;
        for (long d = 2; d * d <= n && prime; ++d)
            prime = n % d != 0;
        found += prime ? 1 : 0;
    }
    return found;
}

rf::task<> answer(rf::io::tcp_stream peer) {
    std::string question;
    while (auto chunk = co_await peer.read())
        question.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
    const std::string found =
        std::to_string(primes_below(std::strtol(question.c_str(), nullptr, 10))) + "\n";
    co_await peer.write_all(std::as_bytes(std::span(found)));
}

rf::task<> service(std::uint16_t port, rf::io::spread over = rf::io::spread::here) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
    std::printf("listening on %s\n", listener.local().to_string().c_str());
    std::fflush(stdout);
    co_await rf::io::serve(listener, answer, {.over = over});
}

rf::task<> shard_service(rf::shard here, std::uint16_t port) {
    if (here.index() == 0) co_await service(port, rf::io::spread::round_robin);
}

}  // namespace

int main(int argc, char** argv) {
    const auto chosen = argc == 2 || argc == 3 ? arguments::port(argv[1]) : std::nullopt;
    const auto shards = argc == 3 ? arguments::number(argv[2], 256) : 1;
    if (!chosen || !shards) {
        std::fprintf(stderr, "usage: watched_service <port> [shards]\n");
        return 2;
    }
    if (argc == 3) {
        // [shards]
        return rf::run_sharded(
            static_cast<std::uint32_t>(*shards),
            [&](rf::shard here) { return shard_service(here, *chosen); },
            {.run = {.stop_on = {SIGINT, SIGTERM}}, .observer_of = rf::leakcheck::watch_shards()});
        // [/shards]
    }
    // [main]
    rf::leakcheck::watcher watch;
    return rf::run([&] { return service(*chosen); },
                   {.stop_on = {SIGINT, SIGTERM}, .observer = &watch});
    // [/main]
}
