// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/environment.hpp"
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/uring_driver.hpp>
#include <ringfence/runtime/uring_options.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rf::test {

/// A driver on the real kernel; the test fails if there is none.
[[nodiscard]] std::unique_ptr<rf::driver> make_driver(const rf::uring_options& options = {});

[[nodiscard]] rf::uring_statistics statistics(const rf::driver& driver);

/// user_data for the n-th request of a test.
[[nodiscard]] constexpr std::uint64_t numbered(std::uint64_t n) { return (n + 1) << 2; }

/// Queues a NOP.
void queue_nop(rf::driver& driver, std::uint64_t user_data);

/// Waits until `count` completions have come and returns them in order.
[[nodiscard]] std::vector<rf::completion> collect(rf::driver& driver, std::size_t count);

/// All that is there now, without waiting.
[[nodiscard]] std::vector<rf::completion> reap_all(rf::driver& driver);

/// How many descriptors this process has open.
[[nodiscard]] std::size_t open_descriptors();

}  // namespace rf::test
