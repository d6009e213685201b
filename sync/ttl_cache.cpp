// SPDX-License-Identifier: MIT
#include <ringfence/sync/ttl_cache.hpp>

#include <fmt/format.h>

#include <stdexcept>

namespace rf::sync::detail {

void check_ttl_cache(const ttl_cache_options& options, const identity& which) {
    if (options.ttl.count() <= 0)
        RF_THROW(std::invalid_argument(
            fmt::format("{}: a time to live of {} ns; nothing would ever be found, make it longer",
                        which.text(), options.ttl.count())));
    if (options.size_max == 0 || options.size_max > most_counts)
        RF_THROW(std::invalid_argument(
            fmt::format("{}: a size_max of {}; say how many entries it may keep, from 1 up",
                        which.text(), static_cast<std::ptrdiff_t>(options.size_max))));
}

}  // namespace rf::sync::detail
