// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace rf::leakcheck {

/// How a simulated kernel behaves. Frequencies are per thousand; 0 switches a mischief off.
struct simulated_options {
    std::uint64_t seed = 1;
    /// As RF_DISABLE: what the simulated kernel lacks ("multishot,buf_ring", "5.15").
    std::string disable{};
    std::uint32_t sq_entries = 128;  // a power of two
    std::uint32_t cq_entries = 256;
    /// The longest that a request takes once it can be done; many take no time at all.
    std::chrono::nanoseconds delay_max = std::chrono::milliseconds(1);
    std::uint32_t short_transfers = 250;
    std::uint32_t multishot_ends = 30;   // a multishot request ends without an error
    std::uint32_t late_data = 500;       // after its cancel, where there is data
    std::uint32_t held_back = 100;       // a completion comes only with the next look
    std::uint32_t short_submits = 50;    // the kernel takes part of a batch, or none of it
    std::size_t stream_capacity = 4096;  // bytes on their way in each direction
    std::size_t backlog = 16;
    std::size_t descriptors_max = 100'000;  // more are EMFILE
    /// How long, in real time, the virtual clock stands still for another thread that owes the
    /// loop a message.
    std::chrono::milliseconds patience = std::chrono::seconds(1);

    /// No delays, no short transfers, no mischief: what is submitted completes at once and whole.
    /// The order in which due requests complete is still decided by the seed.
    [[nodiscard]] static simulated_options plain() {
        simulated_options calm;
        calm.delay_max = {};
        calm.short_transfers = calm.multishot_ends = calm.late_data = 0;
        calm.held_back = calm.short_submits = 0;
        return calm;
    }
};

}  // namespace rf::leakcheck
