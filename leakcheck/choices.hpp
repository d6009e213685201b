// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck {

/// What a simulated world has to decide. The number 0 is always the dull answer.
enum class choice : std::uint8_t {
    order,           // which of several due requests goes first
    delay,           // how long a request takes: none, short, longer, longest
    short_transfer,  // a read or write does less than it could
    race,            // a cancel meets a request that could finish: who wins
    cancel_order,    // the cancel's completion or its target's first, and how far apart
    late_data,       // a cancelled multishot request delivers more before its end
    end_multishot,   // a multishot request ends by itself
    interrupted,     // how a request in a worker thread ends after a cancel that came too late
    hold_back,       // a completion that is due comes only with the next look
    short_submit,    // the kernel takes only part of what is queued
    schedule,        // which task runs next; for schedulers
};

[[nodiscard]] std::string_view to_string(choice what) noexcept;

/// Where a simulated world gets its decisions: a seed, a script, or somebody who is asked.
///
/// Every decision with more than one answer is recorded, so that token() reproduces the run, and
/// next() gives the script of the run that a depth-first search does after this one.
///
/// Threads: one. Cost: four bytes per decision.
class choices {
public:
    struct made {
        std::uint32_t chosen;
        std::uint32_t count;  // answers there were
    };
    /// Given what is to be decided and how many answers there are, the answer.
    using decider = std::function<std::uint32_t(choice what, std::uint32_t count)>;

    /// Random, the same for the same seed.
    [[nodiscard]] static choices seeded(std::uint64_t seed);
    /// These answers first, then always 0.
    [[nodiscard]] static choices scripted(std::vector<std::uint32_t> script);
    [[nodiscard]] static choices decided_by(decider decide);
    /// What token() gave; nothing if it is no token.
    [[nodiscard]] static std::optional<choices> from_token(std::string_view token);

    /// An answer below `count`, which is not 0.
    std::uint32_t pick(choice what, std::uint32_t count);
    /// True about `permille` times in a thousand from a seed; an ordinary decision otherwise.
    /// Nobody is asked if `permille` is 0.
    bool chance(choice what, std::uint32_t permille);

    /// A short word that reproduces the decisions made so far: all of them for a seed.
    [[nodiscard]] std::string token() const;
    [[nodiscard]] const std::vector<made>& trace() const noexcept { return trace_; }

    /// The run that follows this one in a depth-first search: the last decision that has an answer
    /// left takes it, what came after is dropped. Nothing if there is none.
    [[nodiscard]] std::optional<choices> next() const;

private:
    choices() = default;
    std::uint64_t random() noexcept;
    std::uint32_t record(std::uint32_t chosen, std::uint32_t count);

    bool seeded_ = false;
    std::uint64_t seed_ = 0;
    std::uint64_t state_ = 0;
    std::vector<std::uint32_t> script_;
    decider decide_;
    std::vector<made> trace_;
};

}  // namespace rf::leakcheck
