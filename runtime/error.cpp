// SPDX-License-Identifier: MIT
#include <ringfence/runtime/error.hpp>

#include <ringfence/runtime/assert.hpp>

#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <utility>

namespace rf {

std::string errno_name(int code) {
    // glibc has known the names since 2.32.
    if (const char* name = strerrorname_np(code)) return name;
    return fmt::format("errno {}", code);
}

std::string error::message() const {
    return fmt::format("{}: {} ({})", operation_, std::system_category().message(code_),
                       errno_name(code_));
}

io_error::io_error(rf::error failure, std::string about, std::string_view hint)
    : std::system_error(failure.error_code()), failure_(failure) {
    std::string text = about.empty() ? failure.message()
                                     : fmt::format("{} {}: {} ({})", failure.operation(), about,
                                                   std::system_category().message(failure.code()),
                                                   errno_name(failure.code()));
    if (!hint.empty()) fmt::format_to(std::back_inserter(text), ": {}", hint);
    what_ = std::make_shared<const std::string>(std::move(text));
    about_ = std::make_shared<const std::string>(std::move(about));
}

void throw_error(rf::error failure, std::string about, std::string_view hint) {
    RF_THROW(io_error(failure, std::move(about), hint));
}

}  // namespace rf
