// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/endpoint.hpp>
#include <ringfence/io/stream.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstdint>
#include <vector>

namespace rf::io {

struct tcp_options {
    bool no_delay = true;     // TCP_NODELAY
    bool keep_alive = false;  // SO_KEEPALIVE: a peer that says nothing is asked whether it is there
    int send_buffer = 0;      // SO_SNDBUF in bytes; 0: the system's
    int receive_buffer = 0;   // SO_RCVBUF in bytes; 0: the system's
    /// How long a peer may leave unacknowledged what was sent to it, and with keep_alive what it
    /// was asked, before the connection ends with ETIMEDOUT. Zero: the system's, a quarter of an
    /// hour and two hours. TCP_USER_TIMEOUT; the kernel's steps are 200 ms, of keep_alive 1 s.
    std::chrono::milliseconds give_up_after{0};
};

/// A TCP connection. Everything it does is in io::stream.
class tcp_stream : public stream {
public:
    tcp_stream() noexcept = default;

    /// Connects. Cancellation: terminal for the attempt: the socket is closed. A timeout goes
    /// around it: `with_timeout(2s, tcp_stream::connect(server))`.
    /// Throws io_error naming the peer and, where one is known, the remedy.
    [[nodiscard]] static task<tcp_stream> connect(endpoint peer, tcp_options options = {});

    /// The same, without exceptions.
    [[nodiscard]] static task<result<tcp_stream>> try_connect(endpoint peer,
                                                              tcp_options options = {});

    /// Takes over a connected descriptor, which must not be O_NONBLOCK.
    [[nodiscard]] static tcp_stream from_fd(int fd) {
        tcp_stream made(unconnected(fd));
        made.state_->remember_peer();
        return made;
    }

    [[nodiscard]] endpoint local() const noexcept { return endpoint::local_of(native_handle()); }
    /// Known even after the peer has reset the connection.
    [[nodiscard]] endpoint peer() const noexcept { return state_->peer(); }

    /// Changes the options of a live connection to these. Throws io_error.
    void set(const tcp_options& options);

private:
    using stream::stream;
    [[nodiscard]] static tcp_stream unconnected(int fd) {
        return tcp_stream(detail::descriptor_handle<detail::stream_state>::make(fd, "tcp stream"));
    }
};

struct happy_eyeballs_options {
    std::chrono::milliseconds attempt_delay{250};  // before the next address is tried beside
    tcp_options tcp{};
};

/// Connects to the first of several addresses of one peer that answers (RFC 8305): they are tried
/// in the order given, IPv6 and IPv4 interleaved, the next one starting when the last has failed or
/// after `attempt_delay`; when one is up the others are cancelled and closed. Throws the first
/// failure if none answers.
/// Cancellation: all attempts end with it.
[[nodiscard]] task<tcp_stream> connect_any(std::vector<endpoint> peers,
                                           happy_eyeballs_options options = {});

}  // namespace rf::io
