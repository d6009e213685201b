// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/choices.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace rf::leakcheck {

/// How the next task to run is chosen, and from it how a bubble looks for trouble.
enum class explore : std::uint8_t {
    none,        // as in production: oldest first; only the simulated kernel decides
    random,      // any ready task, from a seed
    pct,         // the ready task with the highest priority; priorities are random and change at
                 // few random moments (Burckhardt and others, 2010)
    depth_first  // one schedule after the other, with few switches away from a task that could go
                 // on
};

/// What reproduces one run of a bubble: one short word, "1a2b3c4d-r7f".
///
/// Its first part is the build it is of: the same decisions lead to the same run in the same
/// program only. Threads: any.
struct replay_token {
    explore mode = explore::none;
    std::string decisions;      // choices::token()
    std::uint32_t steps = 0;    // pct: among how many steps priorities change
    std::uint32_t changes = 0;  // pct: how often; depth_first: switches at most
    std::string point;          // of for_each_cancel_point: what was injected; may be empty

    [[nodiscard]] std::string text() const;

    /// What text() gave. `refusal` says in one sentence what is wrong with it, if it is.
    [[nodiscard]] static replay_token parse(std::string_view text, std::string& refusal);
};

/// Eight hexadecimal digits that are those of this very build: a hash of the program's code and
/// constants. Cost: reads them once, some milliseconds.
[[nodiscard]] const std::string& build_mark();

}  // namespace rf::leakcheck
