// SPDX-License-Identifier: MIT
#include <ringfence/runtime/shard.hpp>

#include <ringfence/runtime/detail/shard_set.hpp>
#include <ringfence/runtime/loop.hpp>

namespace rf {

std::uint32_t shard::index() const noexcept {
    RF_ASSERT(state_ != nullptr, "this shard is none: it was never one of rf::shards()");
    return state_->index;
}

std::uint64_t shard::load() const noexcept {
    RF_ASSERT(state_ != nullptr, "this shard is none: it was never one of rf::shards()");
    return state_->load.load(std::memory_order_relaxed);
}

int detail::shard_index(const loop& of) noexcept {
    const shard_state* const state = of.shard();
    return state != nullptr ? static_cast<int>(state->index) : -1;
}

shard this_shard() noexcept {
    detail::shard_state* const state = loop::here().shard();
    return state != nullptr ? detail::shard_access::make(*state) : shard();
}

std::span<const shard> shards() noexcept {
    const detail::shard_state* const state = loop::here().shard();
    return state != nullptr ? state->set->handles() : std::span<const shard>();
}

shard least_loaded_shard() noexcept {
    shard best = this_shard();
    for (const shard& other : shards())
        if (other.load() < best.load()) best = other;
    return best;
}

}  // namespace rf
