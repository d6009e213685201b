// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace rf::test {

/// How often the calling thread has called operator new. Always 0 where allocations_counted() is
/// false: under the sanitizers, which have an operator new of their own.
[[nodiscard]] std::uint64_t allocations() noexcept;
[[nodiscard]] bool allocations_counted() noexcept;

}  // namespace rf::test
