// SPDX-License-Identifier: MIT
#include <ringfence/io/unix_datagram.hpp>

#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <sys/socket.h>

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
    scope_failure close_again([fd] { system_calls::here().close(fd); });
    unix_datagram made;
    made.state_ = detail::descriptor_handle<detail::datagram_state>::make(
        fd, "unix datagram socket", sizeof(sockaddr_un));
    return made;
}

unix_datagram unix_datagram::open(const unix_endpoint& about) {
    const int fd = system_calls::here().socket(AF_UNIX, SOCK_DGRAM);
    if (fd < 0)
        throw_failure(request_kind::bind, "make unix datagram socket", -fd, about.to_string());
    return from_fd(fd);
}

unix_datagram unix_datagram::bind(const unix_endpoint& local) {
    unix_datagram made = open(local);
    const int bound = system_calls::here().bind(made.native_handle(), local.data(), local.size());
    if (bound < 0)
        throw_failure(request_kind::bind, "bind unix datagram socket", -bound, local.to_string());
    if (!local.is_abstract()) made.path_ = local.to_string();
    return made;
}

unix_datagram unix_datagram::connect(const unix_endpoint& peer) {
    unix_datagram made = open(peer);
    const int joined = system_calls::here().connect(made.native_handle(), peer.data(), peer.size());
    if (joined < 0)
        throw_failure(request_kind::connect, "connect unix datagram socket", -joined,
                      "to " + peer.to_string());
    return made;
}

std::pair<unix_datagram, unix_datagram> unix_datagram::pair() {
    int fds[2];
    const int made = system_calls::here().socket_pair(AF_UNIX, SOCK_DGRAM, fds);
    if (made < 0) throw_failure(request_kind::connect, "socketpair", -made, {});
    scope_failure close_second([&] { system_calls::here().close(fds[1]); });
    unix_datagram first = from_fd(fds[0]);
    close_second.dismiss();
    return {std::move(first), from_fd(fds[1])};
}

unix_endpoint unix_datagram::local() const noexcept {
    sockaddr_un raw{};
    socklen_t size = sizeof raw;
    auto* const name = reinterpret_cast<sockaddr*>(&raw);
    if (system_calls::here().local_name(native_handle(), name, size) < 0) return {};
    return {name, size};
}

void unix_datagram::close() noexcept {
    if (!path_.empty()) system_calls::here().unlink(path_.c_str());
    path_.clear();
    state_.reset();
}

}  // namespace rf::io
