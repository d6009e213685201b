// SPDX-License-Identifier: MIT
// A pipeline whose slow end slows its beginning: backpressure [items]
//
// Stages joined by queues without a bound fill the memory at the speed of the fastest; joined by
// channels of Go, they leave a sender blocked for ever when the last stage returns early. Here each
// stage waits for the next, and the first failure, or a deadline, ends all of them.
#include "examples/arguments.hpp"
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/sync/pipeline.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

struct tally {
    int made = 0;
    int stored = 0;
    int ahead = 0;  // the most that were made and not stored
};

// [pipeline]
rf::task<> produce(int count, tally& all, rf::sync::pipeline_output<int>& out) {
    for (int item = 1; item <= count; ++item) {
        co_await out.send(item);
        all.ahead = std::max(all.ahead, ++all.made - all.stored);
    }
}

rf::task<> import(int count, int broken, tally& all) {
    rf::sync::pipeline line;
    line.source<int>([&](auto& out) { return produce(count, all, out); })
        .stage([](int item) { return std::to_string(item); }, {.workers = 2, .capacity = 4})
        .sink(
            [&](std::string item) -> rf::task<> {
                co_await rf::sleep_for(1ms);  // a slow disk
                if (item == std::to_string(broken)) throw std::runtime_error("the disk is full");
                ++all.stored;
            },
            {.capacity = 4});
    co_await line.run();
}
// [/pipeline]

rf::task<> program(int count) {
    tally all;
    co_await import(count, 0, all);
    std::printf("%d items made and stored, never more than %d apart\n", all.stored, all.ahead);
    tally some;
    std::string failure;
    try {
        co_await import(count, 10, some);
    } catch (const std::runtime_error& error) {
        failure = error.what();
    }
    std::printf("%s after %d; tasks alive: %llu\n",
                failure.empty() ? "all stored" : failure.c_str(), some.stored,
                static_cast<unsigned long long>(rf::loop::here().account().tasks_live - 1));
}

}  // namespace

int main(int argc, char** argv) {
    const auto count = argc == 2 ? arguments::number(argv[1], 1'000'000) : 100;
    if (argc > 2 || !count) {
        std::fprintf(stderr, "usage: backpressure [items]\n");
        return 2;
    }
    return rf::run([&] { return program(static_cast<int>(*count)); });
}
