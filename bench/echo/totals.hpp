// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace echo {

/// Calls of operator new on this thread so far.
[[nodiscard]] std::uint64_t allocations() noexcept;

/// The last line of a server, or of each of its threads.
void print_totals(std::uint64_t enters) noexcept;

}  // namespace echo
