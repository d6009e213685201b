// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace echo {

/// Calls of operator new in this process so far.
[[nodiscard]] std::uint64_t allocations() noexcept;

/// The last line of a server.
void print_totals(std::uint64_t enters) noexcept;

}  // namespace echo
