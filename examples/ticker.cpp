// SPDX-License-Identifier: MIT
// A ticker that ends with its scope: ticker [ticks]
//
// In Go, a goroutine with a time.Ticker runs for as long as nobody remembers to stop both. Here the
// ticking task is a child; when the body is done, its nursery ends it, and its timer with it.
#include "examples/arguments.hpp"
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <chrono>
#include <cstdio>

namespace {

using namespace std::chrono_literals;

// [ticker]
rf::task<> tick(std::chrono::milliseconds period, int& ticks) {
    for (auto next = rf::clock::now() + period;; next += period) {  // no drift
        co_await rf::sleep_until(next);
        std::printf("tick %d\n", ++ticks);
    }
}

rf::task<> work(int wanted) {
    int ticks = 0;
    co_await rf::with_nursery([&](rf::nursery& helpers) -> rf::task<> {
        helpers.spawn_service(tick, 10ms, std::ref(ticks));  // cancelled when the body is done
        while (ticks < wanted)
            co_await rf::sleep_for(1ms);
        std::printf("the work is done\n");
    });
    std::printf("the ticker has stopped: %zu timers armed\n", rf::loop::here().account().timers);
}
// [/ticker]

}  // namespace

int main(int argc, char** argv) {
    const auto ticks = argc == 2 ? arguments::number(argv[1], 1000) : 3;
    if (argc > 2 || !ticks) {
        std::fprintf(stderr, "usage: ticker [ticks]\n");
        return 2;
    }
    return rf::run([&] { return work(static_cast<int>(*ticks)); });
}
