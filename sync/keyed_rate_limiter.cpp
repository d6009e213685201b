// SPDX-License-Identifier: MIT
#include <ringfence/sync/keyed_rate_limiter.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace rf::sync {

key_limit_reached::key_limit_reached(std::string which)
    : io_error(rf::error("rate limit of a new key", EBUSY), std::move(which)) {}

namespace detail {

std::size_t checked_keys(std::size_t keys_max, const identity& which) {
    if (keys_max == 0 || keys_max > most_counts)
        RF_THROW(std::invalid_argument(
            fmt::format("{}: at most {} keys; it has to remember at least 1", which.text(),
                        static_cast<std::ptrdiff_t>(keys_max))));
    return keys_max;
}

void refuse_key(const identity& which, std::size_t keys_max) {
    RF_THROW(key_limit_reached(fmt::format(
        "{}, where tasks wait at all of the {} keys that it remembers", which.text(), keys_max)));
}

}  // namespace detail
}  // namespace rf::sync
