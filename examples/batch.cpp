// SPDX-License-Identifier: MIT
// A batch processed by one task an item, joined: batch [items]
//
// The first failure cancels the rest, and the nursery rethrows it when they are gone.
#include "examples/arguments.hpp"
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

// [batch]
rf::task<> process(int item, long& sum) {
    co_await rf::sleep_for(item % 7 * 1ms);
    if (item == 13) throw std::runtime_error("item 13 is broken");
    sum += item;
}

rf::task<> batch(int count) {
    long sum = 0;
    co_await rf::with_nursery([&](rf::nursery& items) -> rf::task<> {
        for (int item = 1; item <= count; ++item)
            items.spawn(process, item, std::ref(sum));
        co_return;
    });  // here all of them have ended
    std::printf("%d items, sum %ld\n", count, sum);
}
// [/batch]

rf::task<> program(int count) {
    std::string failure;
    try {
        co_await batch(count);
    } catch (const std::runtime_error& error) {
        failure = error.what();
    }
    if (!failure.empty())
        std::printf("%s; tasks alive: %zu\n", failure.c_str(),
                    rf::loop::here().account().tasks_live - 1);
}

}  // namespace

int main(int argc, char** argv) {
    const auto count = argc == 2 ? arguments::number(argv[1], 1'000'000) : 10;
    if (argc > 2 || !count) {
        std::fprintf(stderr, "usage: batch [items]\n");
        return 2;
    }
    return rf::run([&] { return program(static_cast<int>(*count)); });
}
