// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/choices.hpp>
#include <ringfence/leakcheck/replay_token.hpp>
#include <ringfence/runtime/detail/scheduler.hpp>

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

namespace rf::leakcheck::detail {

struct explorer_options {
    explore mode = explore::random;
    std::uint64_t seed = 1;      // pct
    std::uint32_t steps = 100;   // pct: among how many priorities change
    std::uint32_t changes = 2;   // pct: how often
    std::uint32_t switches = 2;  // depth_first: away from a task that could go on
};

/// Chooses which task runs next, by one of the ways to explore. The answer 0 is always the dull
/// one: the task that ran goes on if it can, else the oldest.
class explorer : public rf::detail::scheduler {
public:
    explorer(choices& decisions, const explorer_options& options);

    [[nodiscard]] std::size_t choose(std::span<rf::detail::task_record* const> ready) override;
    void before(rf::detail::task_record& task) override;

    /// Tasks that were let go on, so far.
    [[nodiscard]] std::uint32_t steps() const noexcept { return steps_; }

private:
    using queue = std::span<rf::detail::task_record* const>;
    [[nodiscard]] std::size_t ask(queue ready);
    [[nodiscard]] std::size_t highest(queue ready);
    [[nodiscard]] std::uint64_t random() noexcept;

    choices& choices_;
    explorer_options options_;
    std::uint64_t last_ = 0;  // the task that ran, by number
    std::uint32_t steps_ = 0;
    std::uint32_t switches_ = 0;
    std::uint64_t state_;
    std::set<std::uint32_t> change_at_;
    std::unordered_map<std::uint64_t, std::uint64_t> priorities_;
    std::uint64_t lowest_;  // what the next task to lose its priority gets
};

}  // namespace rf::leakcheck::detail
