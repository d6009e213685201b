// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/run_sharded.hpp>

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

}  // namespace rf::test
