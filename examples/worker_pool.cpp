// SPDX-License-Identifier: MIT
// Ten workers and a hundred jobs: worker_pool [jobs]
//
// In Go, workers that range over a channel of jobs stay for ever if nobody closes it. Here a worker
// is a place and not a task: none is idle, and the last job to end leaves nothing.
#include <ringfence/sync/worker_pool.hpp>

#include "examples/arguments.hpp"
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>
#include <vector>

namespace {

using namespace std::chrono_literals;

struct gauge {
    int now = 0;
    int most = 0;
};

rf::task<long> square(int number, gauge& busy) {
    busy.most = std::max(busy.most, ++busy.now);
    co_await rf::sleep_for(1ms);
    --busy.now;
    co_return static_cast<long>(number) * number;
}

// [pool]
rf::task<> program(int jobs) {
    gauge busy;
    long sum = 0;
    std::optional<rf::sync::worker_pool> pool;  // outside, so that it outlives its jobs
    co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
        pool.emplace(home, rf::sync::worker_pool_options{.workers = 10, .queue = 20});
        std::vector<rf::sync::pool_job_handle<long>> results;
        for (int number = 1; number <= jobs; ++number) {
            // Waits while 10 run and 20 are queued.
            auto job = co_await pool->submit(square, number, std::ref(busy));
            results.push_back(std::move(job));
        }
        for (auto& job : results)
            sum += co_await job.result();
    });
    std::printf("%llu jobs done, at most %d at a time; sum of squares %ld\n",
                static_cast<unsigned long long>(pool->statistics().succeeded), busy.most, sum);
    std::printf("tasks alive: %llu\n",
                static_cast<unsigned long long>(rf::loop::here().account().tasks_live - 1));
}
// [/pool]

}  // namespace

int main(int argc, char** argv) {
    const auto jobs = argc == 2 ? arguments::number(argv[1], 100'000) : 100;
    if (argc > 2 || !jobs) {
        std::fprintf(stderr, "usage: worker_pool [jobs]\n");
        return 2;
    }
    return rf::run([&] { return program(static_cast<int>(*jobs)); });
}
