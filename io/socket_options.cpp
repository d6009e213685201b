// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/socket_options.hpp>

#include <ringfence/runtime/system_calls.hpp>

#include <algorithm>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace rf::io::detail {

int set_option(int fd, int level, int name, int value) noexcept {
    return -system_calls::here().set_option(fd, level, name, &value, sizeof value);
}

int set_tcp_options(int fd, const tcp_options& options, socket_age age) noexcept {
    struct setting {
        int level, name, value;
        bool zero_means_default = false;
    };
    const auto patience_ms = static_cast<int>(options.give_up_after.count());
    // Asked after half of the time, and twice in the other half.
    const bool probes = options.keep_alive && patience_ms != 0;
    const int patience = std::max(patience_ms / 1000, 4);
    const setting settings[] = {
        {IPPROTO_TCP, TCP_NODELAY, options.no_delay ? 1 : 0},
        {SOL_SOCKET, SO_KEEPALIVE, options.keep_alive ? 1 : 0},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, patience_ms},
        {IPPROTO_TCP, TCP_KEEPIDLE, probes ? patience / 2 : 0, true},
        {IPPROTO_TCP, TCP_KEEPINTVL, probes ? patience / 4 : 0, true},
        {SOL_SOCKET, SO_SNDBUF, options.send_buffer, true},
        {SOL_SOCKET, SO_RCVBUF, options.receive_buffer, true},
    };
    for (const setting& one : settings) {
        // A fresh socket has them at zero; each call saved counts where connections are short.
        if (one.value == 0 && (age == socket_age::fresh || one.zero_means_default)) continue;
        if (const int failed = set_option(fd, one.level, one.name, one.value); failed != 0)
            return failed;
    }
    return 0;
}

}  // namespace rf::io::detail
