// SPDX-License-Identifier: MIT
// Receiving from a channel, but not for ever: receive_timeout
//
// Three ways: a case of select, a limit that gives nothing, a limit that throws. None of them
// takes an item when the time is up, and none leaves a timer or a waiting task.
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>

#include <chrono>
#include <cstdio>
#include <variant>

namespace {

using namespace std::chrono_literals;
using rf::sync::channel;

rf::task<> produce(channel<int>& items) {
    for (int i = 1; i <= 3; ++i) {
        co_await rf::sleep_for(30ms);
        co_await items.send(i);
    }
}

// [receive]
rf::task<> consume(channel<int>& items) {
    auto won = co_await rf::select(items.receive(), rf::sleep_for(10ms));
    std::printf("select: %s\n", won.index() == 0 ? "an item" : "nothing in 10 ms");

    auto got = co_await rf::move_on_after(1s, items.receive());
    std::printf("move_on_after: item %d\n", got.value().value());

    try {
        auto item = co_await rf::with_timeout(10ms, items.receive());
        std::printf("with_timeout: item %d\n", *item);
    } catch (const rf::timeout_error& late) {
        std::printf("with_timeout: %s\n", late.what());
    }
    for (int rest = 0; rest < 2; ++rest) {
        auto item = co_await items.receive();
        std::printf("nothing was lost: item %d\n", *item);
    }
}
// [/receive]

rf::task<> program() {
    channel<int> items(0);
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(produce, std::ref(items));
        both.spawn(consume, std::ref(items));
        co_return;
    });
    std::printf("timers left: %zu\n", rf::loop::here().account().timers);
}

}  // namespace

int main() { return rf::run(program); }
