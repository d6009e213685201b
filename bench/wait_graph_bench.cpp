// SPDX-License-Identifier: MIT

// What it costs to find out who waits for whom: tasks in a chain of locks that ends in a cycle, and
// as many that wait for an event, all of them blocked. The target for 100,000 is 50 ms, also where
// that half is judged too old; the status is 1 if a median misses it.

#include "figure_line.hpp"
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/loop.hpp>
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
#include <utility>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;

struct parameters {
    std::size_t tasks = 100'000;
    int rounds = 5;
    bool targets = true;  // they are for 100,000 tasks on a machine that does nothing else
};

constexpr double target_ms = 50;

rf::task<> link(rf::sync::mutex& mine, rf::sync::mutex& next) {
    auto held = co_await mine.lock();
    co_await rf::this_task::yield();
    auto more = co_await next.lock();
}

rf::task<> wait_for(rf::sync::event& what) { co_await what.wait(); }

// Allocations and system calls are those of a blocked task.
void milliseconds_of_graph(const rf::leakcheck::wait_graph_options& options, std::size_t tasks,
                           figure_line::figure& found, std::uint64_t& hash) {
    const auto each = static_cast<double>(tasks);
    const std::uint64_t allocated = figure_line::allocations;
    const std::uint64_t entered = rf::loop::here().kernel().enter_count();
    const auto before = steady::now();
    const rf::leakcheck::wait_graph graph(options);
    const std::chrono::duration<double, std::milli> took = steady::now() - before;
    hash = (hash ^ (graph.stuck() * 31 + graph.findings().size())) * 0x9e3779b97f4a7c15U;
    found.values.push_back(took.count());
    found.allocations = static_cast<double>(figure_line::allocations - allocated) / each;
    found.system_calls =
        static_cast<double>(rf::loop::here().kernel().enter_count() - entered) / each;
}

rf::task<int> measure(const parameters& with, std::uint64_t& hash) {
    bool met = true;
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
        figure_line::figure live;
        figure_line::figure aged;
        rf::leakcheck::wait_graph_options old;
        old.age_max = std::chrono::nanoseconds(1);
        for (int round = 0; round < with.rounds; ++round) {
            milliseconds_of_graph({}, with.tasks, live, hash);
            milliseconds_of_graph(old, with.tasks, aged, hash);
        }
        std::printf("# %zu blocked tasks\n", with.tasks);
        for (const auto& [name, found] :
             {std::pair("half of them in one cycle", &live),
              std::pair("the same, and the others judged too old", &aged)}) {
            figure_line::print(name, "ms", *found);
            if (with.targets) met &= figure_line::meets(target_ms, name, "ms", *found);
        }
        jobs.cancel();
    });
    co_return met ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    parameters with;
    if (count > 1 && std::string_view(arguments[1]) == "--small")
        with = {.tasks = 2'000, .rounds = 2, .targets = false};
    std::uint64_t hash = 0;
    const int status = rf::run([&] { return measure(with, hash); });
    std::printf("# hash %016llx\n", static_cast<unsigned long long>(hash));
    return status;
}
