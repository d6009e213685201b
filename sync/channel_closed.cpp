// SPDX-License-Identifier: MIT
#include <ringfence/sync/channel_closed.hpp>

#include <ringfence/sync/detail/channel_waits.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace rf::sync {

channel_closed::channel_closed(std::string which)
    : io_error(rf::error("send to a closed channel", EPIPE), std::move(which)) {}

namespace detail {

void refuse_closed(const identity& which) { RF_THROW(channel_closed(which.text())); }

rf::error closed_error() noexcept { return {"send to a closed channel", EPIPE}; }

std::size_t checked_capacity(std::size_t capacity, const char* kind, std::source_location made) {
    constexpr std::size_t most = std::size_t{1} << 40;
    if (capacity > most)
        RF_THROW(std::invalid_argument(
            fmt::format("{}: a capacity of {}; it is a number of items, from 0 up",
                        identity{kind, made}.text(), static_cast<std::ptrdiff_t>(capacity))));
    return capacity;
}

void refuse_empty_batch(const identity& which) {
    RF_THROW(std::invalid_argument(
        which.text() + ": receive_many was asked for at most 0 items; ask for at least 1"));
}

void describe_send(wait_description& out, const identity& which, const void* object) {
    which.describe(out, "channel", "take an item");
    out.object = object;
    out.owner = "its receivers";
}

void describe_receive(wait_description& out, const identity& which, const void* object) {
    which.describe(out, "channel", "give an item");
    out.object = object;
    out.owner = "its senders";
}

}  // namespace detail
}  // namespace rf::sync
