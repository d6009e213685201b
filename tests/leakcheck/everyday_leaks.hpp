// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/guard.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <fmt/format.h>

#include <chrono>
#include <source_location>
#include <string>

namespace rf::test {

/// What the guard finds after `program`, a function of nothing that returns task<>, has returned.
/// What it has left in the root nursery is cancelled afterwards. In virtual time.
template <class F>
[[nodiscard]] std::string left_by(F program);

/// The same on the real kernel, for programs with sockets that listen.
template <class F>
[[nodiscard]] std::string left_by_real(F program);

/// How many lines of `found` speak of `what`, a verb with it, and of the line `line` of `file`:
/// "spawned", "opened".
[[nodiscard]] inline int blamed(const std::string& found, const std::string& what, unsigned line,
                                std::source_location here = std::source_location::current()) {
    const std::string named = fmt::format("{} at {}:{}", what, here.file_name(), line);
    int count = 0;
    for (std::size_t at = found.find(named); at != found.npos; at = found.find(named, at + 1)) {
        const char after = found.c_str()[at + named.size()];
        count += after < '0' || after > '9' ? 1 : 0;
    }
    return count;
}

// Implementation

template <class F>
task<> guard_program(F& program, std::string& found) {
    leakcheck::guard nothing_left;
    co_await program();
    // What has been started is under way by now; what is only slow to end has ended.
    co_await sleep_for(std::chrono::milliseconds(10));
    found = nothing_left.findings();
    root_nursery().cancel();
}

template <class F>
std::string left_by(F program) {
    std::string found;
    run_sim([&] { return guard_program(program, found); });
    return found;
}

template <class F>
std::string left_by_real(F program) {
    std::string found;
    run_real([&] { return guard_program(program, found); });
    return found;
}

}  // namespace rf::test
