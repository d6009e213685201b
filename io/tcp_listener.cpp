// SPDX-License-Identifier: MIT
#include <ringfence/io/tcp_listener.hpp>

#include <ringfence/io/detail/socket_options.hpp>
#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

namespace rf::io {

result<tcp_listener> tcp_listener::try_bind(const endpoint& local, const listen_options& options) {
    system_calls& calls = system_calls::here();
    const int fd = calls.socket(local.family(), SOCK_STREAM);
    if (fd < 0) return to_error(request_kind::bind, "socket", -fd);
    descriptor_in_flight held(fd);
    auto state = detail::descriptor_handle<detail::acceptor>::make(fd, "tcp listener");
    (void)held.take();
    int failed = 0;
    if (options.reuse_address) failed = detail::set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (failed == 0 && options.reuse_port)
        failed = detail::set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (failed == 0 && local.is_v6())
        failed = detail::set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only ? 1 : 0);
    // Accepted sockets inherit these, which saves a call for each.
    if (failed == 0) failed = detail::set_tcp_options(fd, options.accepted);
    if (failed != 0) return to_error(request_kind::bind, "setsockopt", failed);
    failed = -calls.bind(fd, local.data(), local.size());
    if (failed != 0) return to_error(request_kind::bind, "bind", failed);
    failed = -calls.listen(fd, options.backlog);
    if (failed != 0) return to_error(request_kind::bind, "listen", failed);
    return tcp_listener(std::move(state));
}

tcp_listener tcp_listener::bind(const endpoint& local, const listen_options& options) {
    result<tcp_listener> made = try_bind(local, options);
    if (!made)
        throw_failure(request_kind::bind, made.error().operation(), made.error().code(),
                      "to " + local.to_string());
    return std::move(*made);
}

}  // namespace rf::io
