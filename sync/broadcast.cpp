// SPDX-License-Identifier: MIT
#include <ringfence/sync/broadcast.hpp>

#include <stdexcept>

namespace rf::sync::detail {

std::size_t checked_broadcast_capacity(std::size_t capacity, std::source_location made) {
    if (capacity == 0)
        RF_THROW(std::invalid_argument(
            identity{"broadcast", made}.text() +
            ": a capacity of 0; there is no hand-over to many at once, make it at least 1"));
    return checked_capacity(capacity, "broadcast", made);
}

}  // namespace rf::sync::detail
