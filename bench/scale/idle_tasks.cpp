// SPDX-License-Identifier: MIT
#include "scale.hpp"
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>

#include <string>

namespace {

using channel = rf::sync::channel<long>;

rf::task<> wait_for_item(channel* items) { (void)co_await items->receive(); }

rf::task<> spawn_waiting(rf::nursery& home, channel* items, std::size_t count) {
    const std::size_t before = items->statistics().receivers;
    for (std::size_t i = 0; i < count; ++i)
        home.spawn(wait_for_item, items);
    while (items->statistics().receivers < before + count)
        co_await rf::this_task::yield();
}

rf::task<> spawn_dump_cancel(long count) {
    const auto each = static_cast<double>(count);
    channel items(0);
    double cancel_start = 0;
    auto body = [&](rf::nursery& home) -> rf::task<> {
        co_await spawn_waiting(home, &items, 1);  // what the first needs is not counted
        double memory = scale::resident_bytes();
        double start = scale::processor_seconds();
        co_await spawn_waiting(home, &items, static_cast<std::size_t>(count));
        scale::print("spawn", "ns", (scale::processor_seconds() - start) / each * 1e9);
        memory = scale::resident_bytes() - memory;
        scale::print("memory", "bytes", memory / each);
        start = scale::processor_seconds();
        const std::string tree = rf::task_tree(rf::loop::here());
        scale::print("dump", "ns", (scale::processor_seconds() - start) / each * 1e9);
        scale::print("dump_text", "bytes", static_cast<double>(tree.size()) / each);
        cancel_start = scale::processor_seconds();
        home.cancel();
    };
    co_await rf::with_nursery(body);
    scale::print("cancel", "ns", (scale::processor_seconds() - cancel_start) / each * 1e9);
}

}  // namespace

int scale::idle_tasks(long count) {
    return rf::run([count] { return spawn_dump_cancel(count); });
}
