// SPDX-License-Identifier: MIT
#pragma once

#include "tests/corpus/kernel.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace rf::corpus {

struct exploration {
    std::uint32_t runs = 1000;
    std::chrono::milliseconds time{2'000};
    std::uint64_t seed = 1;
};

/// What the detectors say of one form of a kernel.
struct finding {
    std::string verdict;  // "cycle", "ledger", ...; empty: nothing was found
    bool proven = false;
    std::string wrong;       // whom or which line it did not name as it should; empty: all right
    std::string text;        // what a user reads
    std::uint32_t runs = 0;  // schedules, that which failed included
    std::chrono::microseconds took{};

    [[nodiscard]] bool found() const noexcept { return !verdict.empty(); }
};

/// Runs `row` in bubbles, each with another schedule, until something is found or the budget is
/// spent.
[[nodiscard]] finding examine(const entry& row, form as, bool fixed, const exploration& budget);

/// Runs `row` once on the real kernel, as it comes.
[[nodiscard]] finding examine_plain(const entry& row, form as, bool fixed);

}  // namespace rf::corpus
