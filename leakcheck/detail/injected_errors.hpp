// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

namespace rf::leakcheck::detail {

class simulated_object;

/// What kind of thing a request is aimed at, as far as its errors depend on that.
enum class error_class : std::uint8_t { other, file, pipe, stream_socket, datagram_socket };

[[nodiscard]] error_class error_class_of(const simulated_object* object) noexcept;

/// What the kernel may answer a sound request with, by section 2 of the manual pages and tcp(7),
/// udp(7), ip(7) and pipe(7). Not what says that the request itself was wrong (EBADF, EFAULT,
/// EINVAL, ENOTSOCK), nor what is only an invitation to ask again (EAGAIN, EINTR). At most eight.
/// Empty for cancels, closes and timeouts, which fail in no way that a program can meet.
[[nodiscard]] std::span<const int> errors_of(std::uint8_t opcode, error_class of) noexcept;

}  // namespace rf::leakcheck::detail
