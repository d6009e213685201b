// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

namespace rf {

class loop;

namespace detail {
struct shard_state;
struct shard_access;
}  // namespace detail

/// One of the loops that rf::run_sharded runs, as others name it: where nursery::spawn_on starts a
/// child.
///
/// A small value, to be copied. Lifetime: means something until the run_sharded it belongs to
/// returns, and only to tasks of that run. Threads: any.
class shard {
public:
    shard() noexcept = default;  // none

    /// Its place among shards(), from 0.
    [[nodiscard]] std::uint32_t index() const noexcept;
    /// Children that tasks of any shard have on it by spawn_on, those on their way included. Others
    /// change it meanwhile. One load.
    [[nodiscard]] std::uint64_t load() const noexcept;

    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }
    friend bool operator==(const shard&, const shard&) noexcept = default;

private:
    friend struct detail::shard_access;
    explicit shard(detail::shard_state* state) noexcept : state_(state) {}

    detail::shard_state* state_ = nullptr;
};

/// The shard that the calling task runs on; none under plain rf::run.
[[nodiscard]] shard this_shard() noexcept;

/// All shards of the calling task's run, by index; empty under plain rf::run.
[[nodiscard]] std::span<const shard> shards() noexcept;

/// The one of shards() with the lowest load(), the calling one before others. A guess, for others
/// choose at the same time. Cost: a load for each shard.
[[nodiscard]] shard least_loaded_shard() noexcept;

// Implementation

namespace detail {

struct shard_access {
    static shard make(shard_state& state) noexcept { return shard(&state); }
    static shard_state* state(const shard& which) noexcept { return which.state_; }
};

/// Which shard a loop is, for reports; -1: it is none.
[[nodiscard]] int shard_index(const loop& of) noexcept;

}  // namespace detail
}  // namespace rf
