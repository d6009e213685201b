// SPDX-License-Identifier: MIT
#include <ringfence/io/udp_socket.hpp>

#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <netinet/in.h>
#include <string>

namespace rf::io {
namespace {

[[noreturn]] void fail(const char* name, int code, std::string about) {
    throw_failure(request_kind::bind, name, code, std::move(about));
}

void set(int fd, int option, int value) {
    // A size above the system's limit is cut to it, as the kernel does; nothing else can fail.
    (void)system_calls::here().set_option(fd, SOL_SOCKET, option, &value, sizeof value);
}

}  // namespace

udp_socket udp_socket::open(int family, const udp_options& options) {
    const int fd = system_calls::here().socket(family, SOCK_DGRAM);
    if (fd < 0) fail("make udp socket", -fd, {});
    scope_failure close_again([fd] { system_calls::here().close(fd); });
    if (options.reuse_port) set(fd, SO_REUSEPORT, 1);
    if (options.broadcast) set(fd, SO_BROADCAST, 1);
    if (options.receive_buffer_bytes != 0) set(fd, SO_RCVBUF, options.receive_buffer_bytes);
    if (options.send_buffer_bytes != 0) set(fd, SO_SNDBUF, options.send_buffer_bytes);
    udp_socket made;
    made.state_ = detail::descriptor_handle<detail::datagram_state>::make(fd, "udp socket",
                                                                          sizeof(sockaddr_in6));
    return made;
}

udp_socket udp_socket::bind(const endpoint& local, const udp_options& options) {
    udp_socket made = open(local.family(), options);
    const int bound = system_calls::here().bind(made.native_handle(), local.data(), local.size());
    if (bound < 0) fail("bind udp socket", -bound, local.to_string());
    return made;
}

udp_socket udp_socket::connect(const endpoint& peer, const udp_options& options) {
    udp_socket made = open(peer.family(), options);
    const int joined = system_calls::here().connect(made.native_handle(), peer.data(), peer.size());
    if (joined < 0) fail("connect udp socket", -joined, peer.to_string());
    return made;
}

}  // namespace rf::io
