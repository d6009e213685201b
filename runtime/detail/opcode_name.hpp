// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace rf::detail {

/// What a request of io_uring is called: "recv". "request" for one that ringfence does not use.
[[nodiscard]] const char* opcode_name(std::uint8_t opcode) noexcept;

}  // namespace rf::detail
