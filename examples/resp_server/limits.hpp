// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

/// What one client may ask for. Each limit is told to the client in one sentence when it is
/// reached.
namespace resp::limits {

inline constexpr std::size_t key_bytes = 64 * 1024;
inline constexpr std::size_t value_bytes = 16 * 1024 * 1024;
inline constexpr std::size_t arguments = 1024;
inline constexpr std::size_t request_bytes = value_bytes + 2 * key_bytes;  // framing included
inline constexpr std::size_t line_bytes = 64 * 1024;  // of an inline command or a length
inline constexpr std::size_t store_bytes = std::size_t{1} << 30;  // keys and values together

// Replies that wait for one write. Reached, what is there is sent before more is answered.
inline constexpr std::size_t reply_bytes = 256 * 1024;

}  // namespace resp::limits
