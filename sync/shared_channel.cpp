// SPDX-License-Identifier: MIT
#include <ringfence/sync/shared_channel.hpp>

#include <stdexcept>

namespace rf::sync::detail {

void refuse_empty_send(const identity& which) {
    RF_THROW(
        std::invalid_argument(which.text() + ": send_many was given no items; give it at least 1"));
}

std::size_t checked_shared_capacity(std::size_t capacity, std::source_location made) {
    if (capacity == 0)
        RF_THROW(std::invalid_argument(
            identity{"shared_channel", made}.text() +
            ": a capacity of 0; between threads there is no hand-over, make it at least 1"));
    return checked_capacity(capacity, "shared_channel", made);
}

}  // namespace rf::sync::detail
