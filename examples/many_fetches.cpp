// SPDX-License-Identifier: MIT
// Many fetches, a few at a time: many_fetches <port> [fetches [at a time]]
//
// The limit belongs to the nursery: spawning waits for a place, so neither tasks nor connections
// pile up, however many there are to do.
#include "examples/arguments.hpp"
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/runtime/for_each_concurrent.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/timeout.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ranges>
#include <string>

namespace {

using namespace std::chrono_literals;

struct totals {
    long answered = 0;
    long failed = 0;
    long running = 0;
    long most = 0;  // at a time
};

// [fetches]
rf::task<> fetch(std::uint16_t port, long number, totals& all) {
    auto peer = co_await rf::io::tcp_stream::connect({"127.0.0.1", port});
    const std::string question = "item " + std::to_string(number) + "\n";
    co_await peer.write_all(question);
    auto answer = co_await peer.read();
    all.answered += answer.text() == question ? 1 : 0;
}

rf::task<> fetch_all(std::uint16_t port, long count, std::size_t at_a_time, totals& all) {
    auto one = [&](long number) -> rf::task<> {
        all.most = std::max(all.most, ++all.running);
        auto done = co_await rf::as_result(rf::with_timeout(5s, fetch(port, number, all)));
        all.failed += done ? 0 : 1;
        --all.running;
    };
    co_await rf::for_each_concurrent(std::views::iota(0L, count), at_a_time, one);
}
// [/fetches]

rf::task<> program(std::uint16_t port, long count, std::size_t at_a_time) {
    totals all;
    co_await fetch_all(port, count, at_a_time, all);
    std::printf("%ld answered, %ld failed, at most %ld at a time\n", all.answered, all.failed,
                all.most);
}

}  // namespace

int main(int argc, char** argv) {
    const auto port = argc >= 2 ? arguments::number(argv[1], 65'535) : std::nullopt;
    const auto count = argc >= 3 ? arguments::number(argv[2], 1'000'000) : 10'000;
    const auto at_a_time = argc >= 4 ? arguments::number(argv[3], 10'000) : 50;
    if (argc > 4 || !port || !count || !at_a_time || *at_a_time == 0) {
        std::fprintf(stderr, "usage: many_fetches <port> [fetches [at a time]]\n");
        return 2;
    }
    return rf::run([&] {
        return program(static_cast<std::uint16_t>(*port), static_cast<long>(*count),
                       static_cast<std::size_t>(*at_a_time));
    });
}
