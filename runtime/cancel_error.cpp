// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_error.hpp>

#include <fmt/format.h>

namespace rf {
namespace {

std::string timeout_text(std::chrono::nanoseconds limit, std::source_location where) {
    if (limit.count() == 0)
        return fmt::format("timed out: the deadline set at {} passed", detail::to_string(where));
    return fmt::format("timed out after {} ms (set at {})",
                       std::chrono::duration<double, std::milli>(limit).count(),
                       detail::to_string(where));
}

}  // namespace

timeout_error::timeout_error(std::chrono::nanoseconds limit, std::source_location where)
    : std::runtime_error(timeout_text(limit, where)), limit_(limit), where_(where) {}

namespace detail {

std::string to_string(std::source_location where) {
    return fmt::format("{}:{}", where.file_name(), where.line());
}

}  // namespace detail
}  // namespace rf
