// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/datagram.hpp>
#include <ringfence/io/detail/datagram_state.hpp>
#include <ringfence/io/endpoint.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace rf::io {

using datagram = basic_datagram<endpoint>;

struct udp_options {
    bool reuse_port = false;  // several sockets share the port, the kernel spreads the peers
    bool broadcast = false;
    int receive_buffer_bytes = 0;  // of the kernel; 0: its default
    int send_buffer_bytes = 0;
};

/// Datagrams over IP.
///
///     auto socket = rf::io::udp_socket::bind({"127.0.0.1", 7000});
///     for (;;) {
///         auto got = co_await socket.receive();
///         co_await socket.send_to(got.bytes(), got.from);
///     }
///
/// Several tasks may send, and several receive; each datagram goes to one of them, oldest first.
/// An empty datagram is data; there is no end of the stream.
///
/// receive() borrows a buffer of the loop's pool and is the faster way: the first call arms a
/// request that serves the others. What is longer than such a buffer less 44 bytes (16,340, see
/// buffer_pool_options) is cut. receive_from() takes datagrams of any length into the caller's
/// memory, unless receive() is in use on the same socket: then it copies out of the same buffers.
/// Datagrams that nobody takes wait in the kernel (receive_buffer_bytes), which drops the newest
/// when they are too many; at most some dozens are taken in advance.
///
/// Cancellation, by operation:
///   receive                total: a waiting task leaves the line, the kernel is told nothing, and
///                          a datagram that comes meanwhile is the next receive's
///   receive_from           total: a datagram that has been received is delivered, one that has
///                          not stays in the socket
///   send, send_to          total: a datagram is sent whole or not at all
/// Errors: io_error with the socket's address. A connected socket hears of ECONNREFUSED when the
///   peer's host says so; an unconnected one does not.
/// Lifetime: outlives the tasks that use it, or aborts; closing drops what nobody has taken.
/// Threads: one loop. Cost: receive() allocates nothing while it is kept up with; receive_from()
///   is one request to the kernel a datagram. Without multishot receives (before 6.0) receive() is
///   one request, one allocation and a copy.
class udp_socket {
public:
    udp_socket() noexcept = default;

    /// A socket with a local address; port 0: a free one, see local().
    [[nodiscard]] static udp_socket bind(const endpoint& local, const udp_options& options = {});
    /// A socket that talks to one peer alone, and hears from it alone.
    [[nodiscard]] static udp_socket connect(const endpoint& peer, const udp_options& options = {});

    /// The next datagram, in a buffer borrowed only while it is looked at.
    [[nodiscard]] detail::borrow_datagram_awaiter<endpoint> receive() noexcept {
        return detail::borrow_datagram_awaiter<endpoint>(*state_);
    }
    /// The next datagram, in the caller's memory.
    [[nodiscard]] detail::receive_from_awaiter<endpoint> receive_from(
        std::span<std::byte> to) noexcept {
        return {*state_, to};
    }
    /// Sends one datagram; a datagram is never sent in part. EMSGSIZE if it is too long.
    [[nodiscard]] detail::send_datagram_awaiter send_to(std::span<const std::byte> from,
                                                        const endpoint& to) noexcept {
        return {*state_, from, to.data(), to.size()};
    }
    [[nodiscard]] detail::send_datagram_awaiter send_to(std::string_view from,
                                                        const endpoint& to) noexcept {
        return send_to(std::as_bytes(std::span(from)), to);
    }
    /// To the peer of a connected socket.
    [[nodiscard]] detail::send_datagram_awaiter send(std::span<const std::byte> from) noexcept {
        return {*state_, from};
    }
    [[nodiscard]] detail::send_datagram_awaiter send(std::string_view from) noexcept {
        return send(std::as_bytes(std::span(from)));
    }

    [[nodiscard]] endpoint local() const noexcept { return endpoint::local_of(state_->fd()); }
    /// Nobody may be sending or receiving.
    void close() noexcept { state_.reset(); }
    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    /// For setsockopt and its kin.
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }

private:
    [[nodiscard]] static udp_socket open(int family, const udp_options& options);
    detail::descriptor_handle<detail::datagram_state> state_;
};

}  // namespace rf::io
