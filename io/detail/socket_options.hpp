// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/tcp_stream.hpp>

namespace rf::io::detail {

/// Whether a socket is as socket(2) made it, so that only what differs from that has to be set.
enum class socket_age { fresh, used };

/// Applies `options`. Returns 0 or an errno.
[[nodiscard]] int set_tcp_options(int fd, const tcp_options& options,
                                  socket_age age = socket_age::fresh) noexcept;

/// Sets one int-valued option. Returns 0 or an errno.
[[nodiscard]] int set_option(int fd, int level, int name, int value) noexcept;

}  // namespace rf::io::detail
