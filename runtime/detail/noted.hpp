// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <source_location>

/// Zero builds a library that notes nothing of its tasks but what running them needs: no lines, no
/// times, and an empty ledger. For the bench that measures what noting costs, and for nothing else:
/// reports are blank. One value for the whole program.
#ifndef RF_BOOKKEEPING
#define RF_BOOKKEEPING 1
#endif

namespace rf::detail {

#if RF_BOOKKEEPING

using noted_line = std::source_location;
using noted_time = instant;

#else

/// Takes what is noted and forgets it.
struct noted_line {
    constexpr noted_line() noexcept {}
    constexpr noted_line(const std::source_location&) noexcept {}
    constexpr operator std::source_location() const noexcept { return {}; }
    [[nodiscard]] constexpr std::uint_least32_t line() const noexcept { return 0; }
    [[nodiscard]] constexpr const char* file_name() const noexcept { return ""; }
    [[nodiscard]] constexpr const char* function_name() const noexcept { return ""; }
};
struct noted_time {
    constexpr noted_time() noexcept {}
    constexpr noted_time(instant) noexcept {}
    constexpr operator instant() const noexcept { return 0; }
};

#endif

}  // namespace rf::detail
