// SPDX-License-Identifier: MIT
// A fan-out that a token bucket slows, and one failure ends: rate_limited [calls]
//
// Spawned and forgotten, calls that wait for their turn go on waiting, and calling, when nobody
// wants the answers any more. As children they are gone with the first that fails.
#include "examples/arguments.hpp"
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/rate_limiter.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

// [fan_out]
rf::task<> call(rf::sync::rate_limiter& limit, int number, int broken, int& calls) {
    co_await limit.acquire();
    ++calls;
    if (number == broken) throw std::runtime_error("call " + std::to_string(number) + " failed");
}

// 200 calls a second, 5 of them at once if there was a pause.
rf::task<int> fan_out(int count, int broken) {
    rf::sync::rate_limiter limit({.tokens = 200, .per = 1s, .burst = 5});
    int calls = 0;
    std::string failure;
    try {
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int number = 1; number <= count; ++number)
                all.spawn(call, std::ref(limit), number, broken, std::ref(calls));
            co_return;
        });
    } catch (const std::runtime_error& error) {
        failure = error.what();
    }
    if (!failure.empty())
        std::printf("%s; still waiting for their turn: %zu\n", failure.c_str(),
                    limit.statistics().waiting);
    co_return calls;
}
// [/fan_out]

rf::task<> program(int count) {
    const auto start = rf::clock::now();
    const int all = co_await fan_out(count, 0);
    const auto took = std::chrono::duration<double>(rf::clock::now() - start);
    const bool slow_enough = took >= std::chrono::duration<double>((count - 5) / 200.0);
    std::printf("%d calls, %s than 200 a second\n", all, slow_enough ? "no faster" : "faster");
    const int some = co_await fan_out(count, 10);
    std::printf("%d calls made; timers left: %llu\n", some,
                static_cast<unsigned long long>(rf::loop::here().account().timers));
}

}  // namespace

int main(int argc, char** argv) {
    const auto count = argc == 2 ? arguments::number(argv[1], 10'000) : 40;
    if (argc > 2 || !count) {
        std::fprintf(stderr, "usage: rate_limited [calls]\n");
        return 2;
    }
    return rf::run([&] { return program(static_cast<int>(*count)); });
}
