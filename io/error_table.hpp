// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/error.hpp>

#include <cstdint>
#include <string>

namespace rf::io {

/// What a request asks of the kernel, as far as its errors are concerned.
enum class request_kind : std::uint8_t {
    accept,
    connect,
    receive,
    send,
    shutdown,
    bind,  // bind and listen
    open,
    read,
    write,
    sync,      // fsync
    allocate,  // fallocate, truncate
    path,      // stat, rename, unlink, mkdir, link, symlink, list
    close,
    poll,
    spawn,
};
inline constexpr std::size_t request_kinds = 15;

[[nodiscard]] const char* to_string(request_kind kind) noexcept;

/// What is to be done about an errno.
enum class errno_action : std::uint8_t {
    fail,       // the world failed: the caller hears of it
    retry,      // nothing happened; the same request again
    wait,       // not now: poll the descriptor, then the same request again
    cancelled,  // a cancel ended it, or a signal in its stead: nothing happened
    limit,      // a limit was reached; the caller hears of it, with a hint how to raise it
    bug,        // only the program itself can cause it: abort
};

/// One cell of the table.
struct errno_meaning {
    errno_action action = errno_action::fail;
    const char* hint = "";  // what to do about it; always for limit and bug, elsewhere if known
};

/// The one table that says what every errno means for every kind of request.
///
/// Total: an errno that the kernel is not known to give is a failure of the world. Threads: any.
/// Cost: a search in a short list of exceptions; only taken when something failed.
[[nodiscard]] errno_meaning classify(request_kind kind, int code) noexcept;

/// The error value for a failed request named `name`. Aborts with a sentence if only a bug in the
/// program can have caused it: a descriptor that is not open is never the world's fault.
[[nodiscard]] error to_error(request_kind kind, const char* name, int code) noexcept;

/// Throws the io_error, with the hint if the table has one: the one way in which a failed request
/// becomes an exception.
[[noreturn]] void throw_failure(request_kind kind, const char* name, int code, std::string about);

}  // namespace rf::io
