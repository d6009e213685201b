// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/channel_core.hpp>
#include <ringfence/sync/detail/channel_waits.hpp>

#include <cstddef>
#include <source_location>

namespace rf::sync::detail {

/// A channel and the number of its ends, which own it together.
template <class T>
class ends_state {
public:
    /// With one end on each side.
    ends_state(std::size_t capacity, std::source_location made)
        : core_("channel", made,
                item_ring<T>::bounded(checked_capacity(capacity, "channel", made))) {}

    [[nodiscard]] channel_core<T>& core() noexcept { return core_; }

    void add_sender() noexcept { ++senders_; }
    void add_receiver() noexcept { ++receivers_; }
    void drop_sender() noexcept {
        if (senders_ == 1) {
            core_.require_no_sender();
            core_.close();
        }
        if (--senders_ == 0 && receivers_ == 0) delete this;
    }
    void drop_receiver() noexcept {
        if (receivers_ == 1) {
            core_.require_no_receiver();
            // Before the count falls: what is inside may hold ends of this very channel.
            core_.close_and_clear();
        }
        if (--receivers_ == 0 && senders_ == 0) delete this;
    }

private:
    ~ends_state() = default;

    channel_core<T> core_;
    std::size_t senders_ = 1;
    std::size_t receivers_ = 1;
};

}  // namespace rf::sync::detail
