// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/user_line.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <source_location>
#include <string_view>

namespace {

/// Notes where it was made, as channels and locks do.
struct noted {
    explicit noted(std::source_location made = std::source_location::current()) : line(made) {}
    std::source_location line;
};

}  // namespace

TEST_CASE("user_line: what std::make_shared says is no line of the user's") {
    CHECK_FALSE(rf::detail::is_library_line(noted().line));
    CHECK_FALSE(rf::detail::is_standard_library_line(noted().line));
    const auto inside = std::make_shared<noted>();
    INFO(std::string_view(inside->line.file_name()));
    CHECK(rf::detail::is_standard_library_line(inside->line));
    CHECK(rf::detail::is_library_line(inside->line));
}
