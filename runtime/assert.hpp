// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

/// States a truth that only a bug in the program can break. On in every build. When it does not
/// hold, the message is printed to standard error with file and line, and the process aborts.
/// `message` is one sentence for a person: what happened and what to do. Neither argument may have
/// side effects. What a peer, the kernel or a limit can cause is an error and never an assert.
#define RF_ASSERT(condition, message)                                                              \
    do {                                                                                           \
        if (!(condition)) [[unlikely]]                                                             \
            ::rf::detail::assertion_failed(#condition, message, __FILE__, __LINE__);               \
    } while (false)

#if defined(__cpp_exceptions)
#define RF_EXCEPTIONS 1
#define RF_TRY try
#define RF_CATCH(declaration) catch (declaration)
#define RF_THROW(exception) throw exception
#else
#define RF_EXCEPTIONS 0
#define RF_TRY if constexpr (true)
#define RF_CATCH(declaration) else
#define RF_THROW(exception) ::rf::detail::throw_refused((exception).what(), __FILE__, __LINE__)
#endif

namespace rf::detail {

[[noreturn, gnu::cold, gnu::noinline]] void assertion_failed(const char* condition,
                                                             std::string_view message,
                                                             const char* file, int line) noexcept;

/// What `throw` becomes in a build without exceptions: the message, then abort.
[[noreturn, gnu::cold, gnu::noinline]] void throw_refused(const char* what, const char* file,
                                                          int line) noexcept;

}  // namespace rf::detail
