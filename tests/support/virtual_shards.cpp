// SPDX-License-Identifier: MIT
#include "tests/support/virtual_shards.hpp"
#include <ringfence/runtime/detail/shard_run.hpp>
#include <ringfence/runtime/task_tree.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

namespace rf::test {
namespace {

constexpr std::uint32_t turns_max = 1'000'000;
constexpr std::uint32_t turns_idle = 64;  // of each shard about as many, without a task that ran

/// One loop and its world. While it is not its turn, the thread is without a loop.
struct virtual_shard {
    std::unique_ptr<leakcheck::simulated_kernel> world;
    std::unique_ptr<detail::shard_run> run;
    detail::loop_slot slot;

    template <class F>
    void on_its_loop(F&& fn) {
        detail::slot = slot;
        fn();
        slot = std::exchange(detail::slot, {});
    }
};

std::uint32_t next_of(std::uint64_t& random, std::uint32_t count) {
    random += 0x9e3779b97f4a7c15;  // splitmix64, Steele, Lea and Flood 2014
    std::uint64_t mixed = random;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return static_cast<std::uint32_t>((mixed ^ (mixed >> 31)) % count);
}

[[noreturn]] void abort_stuck(std::vector<virtual_shard>& all, std::uint64_t seed) {
    std::fprintf(stderr, "virtual shards with seed %llu come to no end:\n",
                 static_cast<unsigned long long>(seed));
    for (virtual_shard& one : all)
        one.on_its_loop([&] { std::fputs(task_tree(one.run->loop()).c_str(), stderr); });
    std::abort();
}

/// To the next moment at which a timer of any shard is due: the same for all.
void let_time_pass(std::vector<virtual_shard>& all) {
    instant next = instant_never;
    for (virtual_shard& one : all)
        if (!one.run->ended()) next = std::min(next, one.run->loop().timers().next_deadline());
    if (next == instant_never) return;
    for (virtual_shard& one : all) {
        if (one.run->ended() || one.world->time() >= next) continue;
        one.world->at(next, [] {});  // a loop without a timer sleeps until then, too
        // A doorbell that was rung before ends the first sleep.
        one.on_its_loop([&] {
            while (one.world->time() < next)
                one.run->loop().turn(true);
        });
    }
}

}  // namespace

sharded_report run_virtual(const virtual_options& options, std::vector<detail::program> programs) {
    detail::shard_set set(options.shards, options.run.run.drain_grace);
    sharded_report report;
    report.shards.resize(options.shards);
    std::vector<virtual_shard> all(options.shards);
    leakcheck::simulated_options world = options.world;
    world.patience = {};  // there is no other thread to wait for
    for (std::uint32_t index = 0; index < options.shards; ++index) {
        world.seed = options.seed * 1000 + index;
        all[index].world = std::make_unique<leakcheck::simulated_kernel>(world);
        all[index].on_its_loop([&] {
            auto kernel = std::make_unique<leakcheck::simulated_driver>(*all[index].world);
            all[index].run = std::make_unique<detail::shard_run>(
                set.at(index), programs[index], options.run.run, std::move(kernel),
                report.shards[index], std::source_location::current());
            const std::string refusal = all[index].run->watch(options.run.observer_of);
            REQUIRE(refusal == "");
        });
    }
    for (virtual_shard& one : all)
        one.on_its_loop([&] { one.run->begin(false); });
    std::uint64_t random = options.seed;
    std::uint64_t beats_before = 0;
    std::uint32_t moved_at = 0;  // the last turn that ran a task
    for (std::uint32_t turns = 0;; ++turns) {
        if (std::all_of(all.begin(), all.end(), [](auto& one) { return one.run->ended(); })) break;
        if (turns == turns_max) abort_stuck(all, options.seed);
        virtual_shard& one = all[next_of(random, options.shards)];
        std::uint64_t beats = 0;
        for (virtual_shard& each : all)
            beats += each.run->loop().beat();
        if (std::exchange(beats_before, beats) != beats) moved_at = turns;
        if (options.time_passes && turns - moved_at > turns_idle * all.size()) {
            let_time_pass(all);
            moved_at = turns;
        }
        if (!one.run->ended()) one.on_its_loop([&] { one.run->loop().turn(false); });
    }
    for (auto one = all.rbegin(); one != all.rend(); ++one)
        one->on_its_loop([&] {
            one->run->run();
            one->run->finish();
            one->run.reset();
        });
    detail::sum_up(set, report);
    return report;
}

std::string left_behind(const sharded_report& report) {
    std::string text;
    for (const run_report& one : report.shards)
        if (!one.final.empty()) text += one.leaks;
    return text;
}

}  // namespace rf::test
