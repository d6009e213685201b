// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/run_sharded.hpp>
#include <ringfence/runtime/this_task.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rf::test {

struct virtual_options {
    std::uint32_t shards = 2;
    std::uint64_t seed = 1;
    leakcheck::simulated_options world{};  // of each shard; its seed is not used
    sharded_options run{};
    bool time_passes = false;  // for all, when no shard has anything to do
};

/// Several shards on the calling thread: each has a loop on a simulated kernel of its own, and the
/// seed says which loop takes the next turn. So every order in which messages can cross can be
/// had again. A world without threads: what waits for one waits for ever.
///
/// Aborts with the task trees if the shards come to no end.
[[nodiscard]] sharded_report run_virtual(const virtual_options& options,
                                         std::vector<detail::program> programs);

/// The same for `fn`, on each shard; the test fails if a shard is left with anything open.
template <class F>
sharded_report run_virtual_shards(const virtual_options& options, F fn) {
    return run_virtual(options, detail::shard_programs(options.shards, fn));
}

/// What every shard left behind, "" if nothing.
[[nodiscard]] std::string left_behind(const sharded_report& report);

/// The same for `fn` in a plain world, where every yield is a place to cross. The test fails if a
/// shard leaves anything behind.
template <class F>
sharded_report explore(std::uint64_t seed, std::uint32_t shards, F fn) {
    virtual_options options;
    options.seed = seed;
    options.shards = shards;
    options.world = leakcheck::simulated_options::plain();
    options.run.run.limits.resumptions_max = 1;
    sharded_report report = run_virtual_shards(options, std::move(fn));
    CHECK(left_behind(report) == "");
    return report;
}

/// Runs on shard 0 alone; the programs of the others end at once.
template <class F>
auto only_first(F fn) {
    return [fn](shard here) mutable -> task<> {
        if (here.index() == 0) co_await fn();
    };
}

[[nodiscard]] inline shard other_shard() {
    return shards()[(this_shard().index() + 1) % shards().size()];
}

inline task<> yield_times(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i)
        co_await this_task::yield();
}

}  // namespace rf::test
