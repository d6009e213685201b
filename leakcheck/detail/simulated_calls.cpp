// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_calls.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace rf::leakcheck::detail {
namespace {

/// Those that change nothing here: memory, timing and the wire are the kernel's affair.
bool is_known(int level, int name) noexcept {
    switch (level) {
    case SOL_SOCKET:
        switch (name) {
        case SO_REUSEADDR:
        case SO_REUSEPORT:
        case SO_KEEPALIVE:
        case SO_BROADCAST:
        case SO_LINGER:
        case SO_PRIORITY:
        case SO_SNDBUF:
        case SO_RCVBUF: return true;
        default: return false;
        }
    case IPPROTO_TCP:
        switch (name) {
        case TCP_NODELAY:
        case TCP_CORK:
        case TCP_DEFER_ACCEPT:
        case TCP_FASTOPEN:
        case TCP_KEEPCNT:
        case TCP_KEEPIDLE:
        case TCP_KEEPINTVL:
        case TCP_QUICKACK:
        case TCP_USER_TIMEOUT: return true;
        default: return false;
        }
    case IPPROTO_IP: return name == IP_TOS || name == IP_TTL;
    case IPPROTO_IPV6: return name == IPV6_V6ONLY;
    default: return false;
    }
}

}  // namespace

int simulated_calls::socket(int family, int type) noexcept {
    const bool inet = family == AF_INET || family == AF_INET6;
    if ((inet || family == AF_UNIX) && type == SOCK_STREAM) {
        const int fd = world_.make_socket();
        if (fd >= 0) world_.find(fd)->family = family;
        return fd;
    }
    world_.refuse(fmt::format("a socket of family {} and type {} was refused: the simulated kernel "
                              "has none of that kind. "
                              "Run the test on the real kernel with rf::run",
                              family, type));
    return -ESOCKTNOSUPPORT;
}

int simulated_calls::socket_pair(int family, int type, int (&ends)[2]) noexcept {
    if (family != AF_UNIX) return -EOPNOTSUPP;
    if (type != SOCK_STREAM) return socket(family, type);
    const auto [first, second] = world_.make_stream_pair();
    if (second < 0) {
        (void)world_.close_now(first);
        return -EMFILE;
    }
    for (const int fd : {first, second}) {
        simulated_object& end = *world_.find(fd);
        end.family = AF_UNIX;
        end.local = end.remote = simulated_address::unnamed();
    }
    ends[0] = first;
    ends[1] = second;
    return 0;
}

int simulated_calls::pipe(int (&ends)[2]) noexcept {
    const auto [first, second] = world_.make_pipe();
    if (second < 0) {
        (void)world_.close_now(first);
        return -EMFILE;
    }
    ends[0] = first;
    ends[1] = second;
    return 0;
}

int simulated_calls::close(int fd) noexcept { return world_.close_any(fd); }

int simulated_calls::set_option(int fd, int level, int name, const void* value,
                                socklen_t size) noexcept {
    const auto socket = world_.find(fd);
    if (socket == nullptr) return system_calls::set_option(fd, level, name, value, size);
    if (!socket->is_socket()) return -ENOTSOCK;
    if (!is_known(level, name)) {
        world_.refuse(fmt::format(
            "setsockopt of level {} and name {} is not known to the simulated kernel: it gave "
            "ENOPROTOOPT for descriptor {}. Test what needs it on the real kernel (rf::run)",
            level, name, fd));
        return -ENOPROTOOPT;
    }
    int number = 0;
    linger lingers{};
    std::memcpy(&number, value, std::min<std::size_t>(size, sizeof number));
    std::memcpy(&lingers, value, std::min<std::size_t>(size, sizeof lingers));
    if (level == SOL_SOCKET && name == SO_REUSEPORT) socket->shares_port = number != 0;
    if (level == SOL_SOCKET && name == SO_LINGER)
        socket->abrupt = lingers.l_onoff != 0 && lingers.l_linger == 0;
    if (level == IPPROTO_IPV6) socket->both_families = number == 0;
    return 0;
}

int simulated_calls::bind(int fd, const sockaddr* name, socklen_t size) noexcept {
    if (world_.find(fd) == nullptr) return system_calls::bind(fd, name, size);
    return world_.bind_name(fd, {name, size});
}

int simulated_calls::listen(int fd, int backlog) noexcept {
    if (world_.find(fd) == nullptr) return system_calls::listen(fd, backlog);
    return world_.start_listening(fd, backlog);
}

int simulated_calls::local_name(int fd, sockaddr* name, socklen_t& size) noexcept {
    const auto socket = world_.find(fd);
    if (socket == nullptr) return system_calls::local_name(fd, name, size);
    if (!socket->is_socket()) return -ENOTSOCK;
    if (socket->local.family() != AF_UNSPEC)
        socket->local.copy_to(name, size);
    else if (socket->family == AF_UNIX)
        simulated_address::unnamed().copy_to(name, size);
    else
        simulated_address::any(socket->family == AF_INET6 ? AF_INET6 : AF_INET, 0)
            .copy_to(name, size);
    return 0;
}

int simulated_calls::peer_name(int fd, sockaddr* name, socklen_t& size) noexcept {
    const auto socket = world_.find(fd);
    if (socket == nullptr) return system_calls::peer_name(fd, name, size);
    if (!socket->is_socket()) return -ENOTSOCK;
    if (socket->remote.family() == AF_UNSPEC) return -ENOTCONN;
    socket->remote.copy_to(name, size);
    return 0;
}

int simulated_calls::unlink(const char* path) noexcept {
    return world_.forget_path(path) ? 0 : system_calls::unlink(path);
}

int simulated_calls::accept_now(int fd, std::span<int> out) noexcept {
    const auto listener = world_.find(fd);
    if (listener == nullptr) return system_calls::accept_now(fd, out);
    int taken = 0;
    for (int& connection : out) {
        connection = listener->accept().value_or(-EAGAIN);
        if (connection < 0) return taken != 0 ? taken : connection;
        ++taken;
    }
    return taken;
}

std::int64_t simulated_calls::receive_now(int fd, std::span<std::byte> to) noexcept {
    const auto from = world_.find(fd);
    if (from == nullptr) return system_calls::receive_now(fd, to);
    if (!from->is_socket()) return -ENOTSOCK;
    const iovec part{to.data(), to.size()};
    return from->read({.parts = {&part, 1}}, ~std::uint64_t{0}).value_or(-EAGAIN);
}

int simulated_calls::shut_down(int fd, int how) noexcept {
    const auto socket = world_.find(fd);
    return socket == nullptr ? system_calls::shut_down(fd, how) : socket->shut_down(how);
}

}  // namespace rf::leakcheck::detail
