// SPDX-License-Identifier: MIT

// What it costs to find out who waits for whom: tasks in a chain of locks that ends in a cycle, and
// as many that wait for an event, all of them blocked. The target for 100,000 is 50 ms.

#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;

struct parameters {
    std::size_t tasks = 100'000;
    int rounds = 5;
};

rf::task<> link(rf::sync::mutex& mine, rf::sync::mutex& next) {
    auto held = co_await mine.lock();
    co_await rf::this_task::yield();
    auto more = co_await next.lock();
}

rf::task<> wait_for(rf::sync::event& what) { co_await what.wait(); }

double milliseconds_of_graph(const rf::leakcheck::wait_graph_options& options,
                             std::uint64_t& hash) {
    const auto before = steady::now();
    const rf::leakcheck::wait_graph graph(options);
    const std::chrono::duration<double, std::milli> took = steady::now() - before;
    hash = (hash ^ (graph.stuck() * 31 + graph.findings().size())) * 0x9e3779b97f4a7c15U;
    return took.count();
}

rf::task<> measure(const parameters& with, std::uint64_t& hash) {
    std::vector<std::unique_ptr<rf::sync::mutex>> locks;
    for (std::size_t i = 0; i < with.tasks / 2; ++i)
        locks.push_back(std::make_unique<rf::sync::mutex>());
    rf::sync::event never;
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        for (std::size_t i = 0; i < locks.size(); ++i)
            jobs.spawn(link, std::ref(*locks[i]), std::ref(*locks[(i + 1) % locks.size()]));
        for (std::size_t i = locks.size(); i < with.tasks; ++i)
            jobs.spawn(wait_for, std::ref(never));
        co_await rf::sleep_for(std::chrono::milliseconds(100));
        double live = 1e9;
        double aged = 1e9;
        rf::leakcheck::wait_graph_options old;
        old.age_max = std::chrono::nanoseconds(1);
        for (int round = 0; round < with.rounds; ++round) {
            live = std::min(live, milliseconds_of_graph({}, hash));
            aged = std::min(aged, milliseconds_of_graph(old, hash));
        }
        std::printf("%9.2f ms  %zu blocked tasks, half of them in one cycle\n", live, with.tasks);
        std::printf("%9.2f ms  the same, and the other half judged too old\n", aged);
        jobs.cancel();
    });
}

}  // namespace

int main(int count, char** arguments) {
    parameters with;
    if (count > 1 && std::string_view(arguments[1]) == "--small")
        with = {.tasks = 2'000, .rounds = 2};
    std::uint64_t hash = 0;
    const int status = rf::run([&] { return measure(with, hash); });
    std::printf("hash %016llx\n", static_cast<unsigned long long>(hash));
    return status;
}
