// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/watcher.hpp>

#include <chrono>

namespace rf::test {

/// In virtual time no thread measures stalls.
[[nodiscard]] inline leakcheck::watcher_options without_stalls() {
    leakcheck::watcher_options options;
    options.stalls.threshold = std::chrono::nanoseconds(0);
    return options;
}

}  // namespace rf::test
