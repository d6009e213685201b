// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace rf::test {

/// How a child process ended, and what it said.
struct death {
    int status = -1;         // what it exited with; -1 if a signal ended it
    int signal = 0;          // that signal, or 0
    bool timed_out = false;  // it was killed
    std::string said;        // to standard error

    [[nodiscard]] bool says(std::string_view words) const {
        return said.find(words) != std::string::npos;
    }
    [[nodiscard]] std::size_t times_said(std::string_view words) const {
        std::size_t count = 0;
        for (std::size_t at = said.find(words); at != std::string::npos;
             at = said.find(words, at + 1))
            ++count;
        return count;
    }
};

/// Runs `fn` in a child made by fork() and exits it with status 0 unless `fn` ends it otherwise.
/// Standard error is captured; no core file is written. A child that takes longer than `limit` of
/// real time is killed.
///
/// Not from a test that has a loop or threads running: the child has only the calling thread.
[[nodiscard]] death run_to_death(const std::function<void()>& fn,
                                 std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace rf::test
