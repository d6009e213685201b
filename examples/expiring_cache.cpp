// SPDX-License-Identifier: MIT
// A cache whose entries die, rewritten a million times: expiring_cache [rewrites]
//
// With a timer for each entry (time.AfterFunc in Go, a steady_timer in Asio) every rewrite leaves
// one behind that nobody stops, and it kills the new entry at the age of the old. Here the cache
// has one timer, whatever happens, and none when it is empty.
#include "examples/arguments.hpp"
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/ttl_cache.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>

namespace {

using namespace std::chrono_literals;

unsigned long long timers() { return rf::loop::here().account().timers; }

// [cache]
rf::task<> program(std::uint64_t rewrites) {
    rf::sync::ttl_cache<std::uint64_t, std::uint64_t> sessions({.ttl = 500ms, .size_max = 1000});
    unsigned long long most = 0;
    for (std::uint64_t i = 0; i < rewrites; ++i) {
        sessions.put(i % 100, i);
        most = std::max(most, timers());
        if (i % 1000 == 0) co_await rf::this_task::checkpoint();
    }
    std::printf("%llu rewrites, %zu entries, at most %llu timer armed\n",
                static_cast<unsigned long long>(rewrites), sessions.size(), most);
    while (sessions.size() != 0)
        co_await rf::sleep_for(10ms);
    std::printf("later: %zu entries, %llu timers\n", sessions.size(), timers());
}
// [/cache]

}  // namespace

int main(int argc, char** argv) {
    const auto rewrites = argc == 2 ? arguments::number(argv[1], 1'000'000'000) : 1'000'000;
    if (argc > 2 || !rewrites) {
        std::fprintf(stderr, "usage: expiring_cache [rewrites]\n");
        return 2;
    }
    return rf::run([&] { return program(*rewrites); });
}
