// SPDX-License-Identifier: MIT
#pragma once

#include <exception>
#include <string>

namespace rf::detail {

/// What an exception says for itself; a sentence for one that is not a std::exception. `error` must
/// not be null.
[[nodiscard]] std::string exception_text(const std::exception_ptr& error);

}  // namespace rf::detail
