// SPDX-License-Identifier: MIT

// What it costs to copy the task tree of a loop, how long nothing else runs meanwhile, and what the
// renderings and a profile take. The targets for 100,000 tasks are 100 ms in all for the tree, and
// no pause over 1 ms; the status is 1 if a median misses one. The pause is measured from outside of
// it, too: by a task that is always ready.

#include "figure_line.hpp"
#include <ringfence/leakcheck/profile.hpp>
#include <ringfence/leakcheck/snapshot.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;
using milliseconds = std::chrono::duration<double, std::milli>;

struct parameters {
    std::size_t tasks = 100'000;
    int rounds = 9;
    bool targets = true;  // they are for 100,000 tasks on a machine that does nothing else
};

constexpr double target_in_all_ms = 100;
constexpr double target_pause_ms = 1;
constexpr double no_target = 1e300;

rf::task<> wait_for(rf::sync::event& what) { co_await what.wait(); }
rf::task<> handle(rf::sync::event& what) { co_await wait_for(what); }
rf::task<> lock_one(rf::sync::mutex& wanted) { auto held = co_await wanted.lock(); }
rf::task<> sleep_long() { co_await rf::sleep_for(std::chrono::hours(1)); }

/// Notes the longest time between two of its turns.
rf::task<> watch_gaps(milliseconds& longest, const bool& stop) {
    auto last = steady::now();
    while (!stop) {
        co_await rf::this_task::yield();
        const auto now = steady::now();
        longest = std::max<milliseconds>(longest, now - last);
        last = now;
    }
}

struct figures {
    milliseconds copied{};
    milliseconds pause{};
    milliseconds gap{};
    milliseconds in_all{};  // copied and written as a tree
};

// Whether it meets its target. Allocations are those of a task in the copy.
bool print(const char* name, const std::vector<figures>& all, milliseconds figures::* which,
           double target_ms, double allocations = -1) {
    figure_line::figure found;
    found.allocations = allocations;
    for (const figures& one : all)
        found.values.push_back((one.*which).count());
    figure_line::print(name, "ms", found);
    return figure_line::meets(target_ms, name, "ms", std::move(found));
}

std::size_t size_of(const rf::leakcheck::task_snapshot& seen,
                    rf::leakcheck::snapshot_format format) {
    std::size_t bytes = 0;
    seen.write(format, [&](std::string_view part) { bytes += part.size(); });
    return bytes;
}

rf::task<int> measure(const parameters& with, std::uint64_t& hash) {
    bool met = true;
    rf::sync::event never;
    rf::sync::mutex lock;
    auto held = co_await lock.lock();
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        for (std::size_t i = 0; i < with.tasks; ++i) {
            if (i % 4 == 0)
                jobs.spawn(sleep_long);
            else if (i % 4 == 1)
                jobs.spawn(lock_one, std::ref(lock));
            else
                jobs.spawn(handle, std::ref(never));
        }
        co_await rf::sleep_for(std::chrono::milliseconds(100));
        std::vector<figures> all;
        double allocations = 0;
        for (int round = 0; round < with.rounds; ++round) {
            figures one;
            bool stop = false;
            jobs.spawn(watch_gaps, std::ref(one.gap), std::cref(stop));
            co_await rf::this_task::yield();
            const std::uint64_t allocated = figure_line::allocations;
            const auto start = steady::now();
            const auto seen = co_await rf::leakcheck::snapshot();
            stop = true;
            allocations = static_cast<double>(figure_line::allocations - allocated) /
                          static_cast<double>(with.tasks);
            one.copied = seen.took();
            one.pause = seen.longest_pause();
            hash = (hash ^ seen.tasks()) * 0x9e37'79b9'7f4a'7c15U;
            hash ^= size_of(seen, rf::leakcheck::snapshot_format::text) != 0 ? 1 : 0;
            one.in_all = steady::now() - start;
            all.push_back(one);
            co_await rf::this_task::yield();
        }
        std::printf("# %zu tasks\n", with.tasks);
        const double pause = with.targets ? target_pause_ms : no_target;
        const double in_all = with.targets ? target_in_all_ms : no_target;
        print("all tasks copied between turns of the loop", all, &figures::copied, no_target,
              allocations);
        met &= print("longest step of that", all, &figures::pause, pause);
        met &= print("longest wait of a task that was ready", all, &figures::gap, pause);
        met &= print("copied and written as a tree", all, &figures::in_all, in_all);

        const auto seen = co_await rf::leakcheck::snapshot();
        const auto show = [&](const char* what, auto&& work) {
            const auto start = steady::now();
            const std::size_t bytes = work();
            figure_line::print(what, "ms", {{milliseconds(steady::now() - start).count()}});
            std::printf("# %zu KiB\n", bytes / 1024);
        };
        show("of that the tree",
             [&] { return size_of(seen, rf::leakcheck::snapshot_format::text); });
        show("JSON", [&] { return size_of(seen, rf::leakcheck::snapshot_format::json); });
        show("folded stacks",
             [&] { return size_of(seen, rf::leakcheck::snapshot_format::folded); });
        if (rf::leakcheck::task_profile::available()) {
            const auto tasks = co_await rf::leakcheck::profile(rf::leakcheck::profile_kind::task);
            show("profile of all tasks", [&] { return tasks.encode().size(); });
        }
        jobs.cancel();
    });
    co_return met ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    parameters with;
    if (count > 1 && std::string_view(arguments[1]) == "--small")
        with = {.tasks = 2'000, .rounds = 3, .targets = false};
    std::uint64_t hash = 0;
    const int status = rf::run([&] { return measure(with, hash); });
    std::printf("# hash %016llx\n", static_cast<unsigned long long>(hash));
    return status;
}
