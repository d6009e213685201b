// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace rf::test {

/// Whether `text` has `part` in it.
[[nodiscard]] inline bool has(std::string_view text, std::string_view part) {
    return text.find(part) != text.npos;
}

}  // namespace rf::test
