// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/leak_suppressions.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace rf::leakcheck {

/// The descriptors of the process: number -> target, as in "socket:[4711]". The one that is needed
/// to read them is left out.
[[nodiscard]] std::map<int, std::string> open_descriptors();

/// What a test must leave as it found it: run_guarded() of leakcheck/doctest.hpp compares before
/// and after each test case.
struct process_state {
    std::size_t frames_live = 0;        // blocks out of this thread's frame pool
    std::string descriptors;            // one line per open descriptor: number and target
    std::uint64_t unchecked_leaks = 0;  // see rf::leakcheck::unchecked_leaks()

    [[nodiscard]] static process_state now();

    /// One sentence per difference; empty if there is none. What `allowed` allows is none; it may
    /// be null. To suppressions a descriptor left open has its target for a label ("/dev/urandom",
    /// "socket:[4711]", or "socket" whatever its number), and for a site, as no line is known;
    /// blocks of the frame pool have "coroutine frame". Ancestors are those of `left_by`.
    [[nodiscard]] std::string difference_to(const process_state& later,
                                            leak_suppressions* allowed = nullptr,
                                            const leak_subject& left_by = {}) const;
};

/// For a test case that opens something for the whole process on purpose (a lazily made pool): what
/// is there now counts as found.
void accept_process_state();

/// What is different from what was found; it counts as found from now on. Empty if nothing is.
[[nodiscard]] std::string process_state_difference(leak_suppressions* allowed = nullptr,
                                                   const leak_subject& left_by = {});

/// The check of a whole test program, whatever its framework:
///
///     int main() { return rf::leakcheck::guard_main([] { return run_all_my_tests(); }); }
///
/// Runs `tests` and returns its status; 1 if that is 0 and something was left that was not there
/// before and that `allowed` does not allow, or a leak_guard found what nobody looked at. Says
/// what, and which suppressions nothing needed, on standard error.
[[nodiscard]] int guard_main(const std::function<int()>& tests,
                             leak_suppressions* allowed = nullptr);

}  // namespace rf::leakcheck
