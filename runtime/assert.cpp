// SPDX-License-Identifier: MIT
#include <ringfence/runtime/assert.hpp>

#include <cstdio>
#include <cstdlib>

namespace rf::detail {

void assertion_failed(const char* condition, std::string_view message, const char* file,
                      int line) noexcept {
    std::fprintf(stderr, "ringfence: %.*s\n  at %s:%d (%s does not hold)\n",
                 static_cast<int>(message.size()), message.data(), file, line, condition);
    std::abort();
}

void throw_refused(const char* what, const char* file, int line) noexcept {
    std::fprintf(stderr,
                 "ringfence: %s\n  at %s:%d: this build has no exceptions; take the error as a "
                 "value with rf::as_result\n",
                 what, file, line);
    std::abort();
}

}  // namespace rf::detail
