// SPDX-License-Identifier: MIT
#pragma once

#include "figures.hpp"
#include <ringfence/ringfence.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace demo {

/// Random numbers that a seed replays.
class dice {
public:
    explicit dice(std::uint64_t seed) noexcept : state_(seed) {}
    std::uint64_t roll() noexcept;
    /// 0 .. sides - 1.
    std::uint64_t below(std::uint64_t sides) noexcept { return roll() % sides; }
    /// 1 .. 2^bits, each doubling as likely as the next.
    std::uint64_t spread(unsigned bits) noexcept;

private:
    std::uint64_t state_;
};

/// What all visitors share.
struct load {
    rf::io::endpoint target;
    std::vector<std::byte> pattern;  // messages are pieces of it
    figures* seen;
};

inline constexpr unsigned message_bits_max = 18;  // 256 KiB

/// Random bytes, long enough that messages differ.
std::vector<std::byte> make_pattern(std::uint64_t seed);

/// Connects, exchanges messages and disconnects, again and again, until the service is told to
/// stop. One connection in ten is cancelled at a random moment, one in twenty reset amid a message,
/// one in twenty reads slowly.
rf::task<> visit(const load& with, std::uint64_t seed);

}  // namespace demo
