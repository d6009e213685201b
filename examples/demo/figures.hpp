// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace demo {

/// Durations counted in buckets of about 6 %: 1 us to an hour.
class histogram {
public:
    void add(std::chrono::nanoseconds span) noexcept;
    /// The duration that the given share of all is shorter than; zero if there are none.
    [[nodiscard]] std::chrono::nanoseconds quantile(double share) const noexcept;

private:
    static constexpr std::size_t steps = 16;  // per doubling
    std::array<std::uint64_t, 32 * steps> counts_{};
    std::uint64_t total_ = 0;
};

/// What the load has seen so far.
struct figures {
    std::uint64_t messages = 0;     // answered in full
    std::uint64_t bytes = 0;        // received and compared
    std::uint64_t bytes_wrong = 0;  // of those, not what was sent
    histogram round_trips;

    std::uint64_t connected = 0;  // now
    std::uint64_t finished = 0;   // connections, by how they ended
    std::uint64_t cancelled = 0;
    std::uint64_t reset = 0;
    std::uint64_t slow = 0;  // of the finished, read slowly
    std::uint64_t cut = 0;   // ended by the draining service

    std::uint64_t failures = 0;  // connections that broke before the service was told to stop
    std::string first_failure;

    bool stopping = false;                // the service has been told to stop
    rf::clock::time_point stopped{};      // when
    std::chrono::nanoseconds loaded{};    // time under load
    std::chrono::nanoseconds draining{};  // from then to the end of the service
};

}  // namespace demo
