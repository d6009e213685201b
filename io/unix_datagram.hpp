// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/datagram.hpp>
#include <ringfence/io/detail/datagram_state.hpp>
#include <ringfence/io/unix_endpoint.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace rf::io {

/// Datagrams between processes of one machine: whole messages, in order, and none is lost.
///
///     auto log = rf::io::unix_datagram::bind(rf::io::unix_endpoint("/run/app/log"));
///     for (;;) {
///         auto line = co_await log.receive();
///         ...
///
/// As udp_socket, but a sender waits while the receiver's queue is full (by default ten datagrams,
/// the sysctl net.unix.max_dgram_qlen) instead of losing the datagram. A sender that was not bound
/// has no name and cannot be answered. A path that bind() has made is removed when the socket
/// closes.
///
/// Cancellation: total for all operations, as for udp_socket.
/// Errors: io_error with the socket's name: ECONNREFUSED or ENOENT if nobody is bound to the name,
///   EMSGSIZE if the datagram is longer than the send buffer.
/// Lifetime, threads and cost as for udp_socket.
class unix_datagram {
public:
    using datagram = basic_datagram<unix_endpoint>;

    unix_datagram() noexcept = default;
    unix_datagram(unix_datagram&&) noexcept = default;
    unix_datagram& operator=(unix_datagram&& other) noexcept;
    ~unix_datagram() { close(); }

    /// A socket with a name. EADDRINUSE if the path exists, even when nobody uses it.
    [[nodiscard]] static unix_datagram bind(const unix_endpoint& local);
    /// A socket without a name that sends to one peer.
    [[nodiscard]] static unix_datagram connect(const unix_endpoint& peer);
    /// Two sockets, each the peer of the other.
    [[nodiscard]] static std::pair<unix_datagram, unix_datagram> pair();

    /// The next datagram, in a buffer borrowed only while it is looked at.
    [[nodiscard]] detail::borrow_datagram_awaiter<unix_endpoint> receive() noexcept {
        return detail::borrow_datagram_awaiter<unix_endpoint>(*state_);
    }
    /// The next datagram, in the caller's memory.
    [[nodiscard]] detail::receive_from_awaiter<unix_endpoint> receive_from(
        std::span<std::byte> to) noexcept {
        return {*state_, to};
    }
    /// Sends one datagram whole, once the receiver has room for it.
    [[nodiscard]] detail::send_datagram_awaiter send_to(std::span<const std::byte> from,
                                                        const unix_endpoint& to) noexcept {
        return {*state_, from, to.data(), to.size()};
    }
    [[nodiscard]] detail::send_datagram_awaiter send_to(std::string_view from,
                                                        const unix_endpoint& to) noexcept {
        return send_to(std::as_bytes(std::span(from)), to);
    }
    /// To the peer of a connected socket.
    [[nodiscard]] detail::send_datagram_awaiter send(std::span<const std::byte> from) noexcept {
        return {*state_, from};
    }
    [[nodiscard]] detail::send_datagram_awaiter send(std::string_view from) noexcept {
        return send(std::as_bytes(std::span(from)));
    }

    [[nodiscard]] unix_endpoint local() const noexcept;
    /// Nobody may be sending or receiving.
    void close() noexcept;
    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }

private:
    [[nodiscard]] static unix_datagram from_fd(int fd);
    [[nodiscard]] static unix_datagram open(const unix_endpoint& about);

    detail::descriptor_handle<detail::datagram_state> state_;
    std::string path_;  // to remove; empty if it has made none
};

}  // namespace rf::io
