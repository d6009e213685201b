// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace scale {

/// Numbers that look random and are the same in every run.
class dice {
public:
    explicit dice(std::uint64_t seed) noexcept : state_(seed) {}
    /// Below `end`, which is not 0. A multiplicative counter, mixed (splitmix64).
    [[nodiscard]] std::uint64_t below(std::uint64_t end) noexcept {
        std::uint64_t mixed = (state_ += 0x9e3779b97f4a7c15);
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return (mixed ^ (mixed >> 31)) % end;
    }
    [[nodiscard]] bool one_in(std::uint64_t many) noexcept { return below(many) == 0; }

private:
    std::uint64_t state_;
};

}  // namespace scale
