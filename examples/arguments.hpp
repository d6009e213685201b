// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/endpoint.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

/// What the examples read from their command lines.
namespace arguments {

/// A decimal number up to `max`, and nothing else around it.
inline std::optional<std::uint64_t> number(std::string_view text, std::uint64_t max) {
    std::uint64_t value = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (bad != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

inline std::optional<std::uint16_t> port(std::string_view text) {
    const auto value = number(text, 65535);
    if (!value) return std::nullopt;
    return static_cast<std::uint16_t>(*value);
}

/// "127.0.0.1:7000", "[::1]:7000", or "7000" for a port of this machine.
inline std::optional<rf::io::endpoint> endpoint(std::string_view text) {
    if (const auto local = port(text)) return rf::io::endpoint("127.0.0.1", *local);
    auto parsed = rf::io::endpoint::parse(text);
    if (!parsed) return std::nullopt;
    return *parsed;
}

}  // namespace arguments
