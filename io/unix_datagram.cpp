// SPDX-License-Identifier: MIT
#include <ringfence/io/unix_datagram.hpp>

#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/scope_guard.hpp>

#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>

namespace rf::io {

unix_datagram& unix_datagram::operator=(unix_datagram&& other) noexcept {
    if (this != &other) {
        close();
        state_ = std::move(other.state_);
        path_ = std::exchange(other.path_, {});
    }
    return *this;
}

unix_datagram unix_datagram::from_fd(int fd) {
    scope_failure close_again([fd] { ::close(fd); });
    unix_datagram made;
    made.state_ = detail::descriptor_handle<detail::datagram_state>::make(
        fd, "unix datagram socket", sizeof(sockaddr_un));
    return made;
}

unix_datagram unix_datagram::open(const unix_endpoint& about) {
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        throw_failure(request_kind::bind, "make unix datagram socket", errno, about.to_string());
    return from_fd(fd);
}

unix_datagram unix_datagram::bind(const unix_endpoint& local) {
    unix_datagram made = open(local);
    if (::bind(made.native_handle(), local.data(), local.size()) != 0)
        throw_failure(request_kind::bind, "bind unix datagram socket", errno, local.to_string());
    if (!local.is_abstract()) made.path_ = local.to_string();
    return made;
}

unix_datagram unix_datagram::connect(const unix_endpoint& peer) {
    unix_datagram made = open(peer);
    if (::connect(made.native_handle(), peer.data(), peer.size()) != 0)
        throw_failure(request_kind::connect, "connect unix datagram socket", errno,
                      "to " + peer.to_string());
    return made;
}

std::pair<unix_datagram, unix_datagram> unix_datagram::pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) != 0)
        throw_failure(request_kind::connect, "socketpair", errno, {});
    scope_failure close_second([&] { ::close(fds[1]); });
    unix_datagram first = from_fd(fds[0]);
    close_second.dismiss();
    return {std::move(first), from_fd(fds[1])};
}

unix_endpoint unix_datagram::local() const noexcept {
    sockaddr_un raw{};
    socklen_t size = sizeof raw;
    if (::getsockname(native_handle(), reinterpret_cast<sockaddr*>(&raw), &size) != 0) return {};
    return {reinterpret_cast<const sockaddr*>(&raw), size};
}

void unix_datagram::close() noexcept {
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
    state_.reset();
}

}  // namespace rf::io
