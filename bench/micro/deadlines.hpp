// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/driver.hpp>

#include <cstdint>

namespace micro {

constexpr rf::instant millisecond = 1'000'000;

/// Deadlines as a server has them: 1 to 61 seconds away, no two in order.
class deadlines {
public:
    explicit deadlines(rf::instant now) noexcept : now_(now) {}
    [[nodiscard]] rf::instant next() noexcept {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 17;
        state_ ^= state_ << 5;
        return now_ + 1000 * millisecond + static_cast<rf::instant>(state_ % 60'000) * millisecond;
    }

private:
    rf::instant now_;
    std::uint32_t state_ = 88'172'645;
};

}  // namespace micro
