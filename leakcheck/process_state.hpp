// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace rf::leakcheck {

/// The descriptors of the process: number -> target, as in "socket:[4711]". The one that is needed
/// to read them is left out.
[[nodiscard]] std::map<int, std::string> open_descriptors();

/// What a test must leave as it found it: run_guarded() of leakcheck/doctest.hpp compares before
/// and after each test case.
struct process_state {
    std::size_t frames_live = 0;  // blocks out of this thread's frame pool
    std::string descriptors;      // one line per open descriptor: number and target

    [[nodiscard]] static process_state now();

    /// One sentence per difference; empty if there is none.
    [[nodiscard]] std::string difference_to(const process_state& later) const;
};

/// For a test case that opens something for the whole process on purpose (a lazily made pool): what
/// is there now counts as found.
void accept_process_state();

/// What is different from what was found; it counts as found from now on. Empty if nothing is.
[[nodiscard]] std::string process_state_difference();

}  // namespace rf::leakcheck
