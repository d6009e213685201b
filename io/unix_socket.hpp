// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/acceptor.hpp>
#include <ringfence/io/stream.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/unix_endpoint.hpp>
#include <ringfence/runtime/task.hpp>

#include <string>
#include <utility>

namespace rf::io {

/// A connection between processes of one machine. Everything it does is in io::stream.
class unix_stream : public stream {
public:
    unix_stream() noexcept = default;

    /// Connects. Cancellation: terminal for the attempt: the socket is closed.
    [[nodiscard]] static task<unix_stream> connect(unix_endpoint peer);

    /// Two ends of one connection. Throws io_error (EMFILE).
    [[nodiscard]] static std::pair<unix_stream, unix_stream> pair();

    /// Takes over a connected descriptor, which must not be O_NONBLOCK.
    [[nodiscard]] static unix_stream from_fd(int fd) {
        return unix_stream(
            detail::descriptor_handle<detail::stream_state>::make(fd, "unix stream"));
    }

private:
    using stream::stream;
};

/// Takes unix connections; see tcp_listener. A path that it has made is removed when it closes.
class unix_listener {
public:
    using stream_type = unix_stream;
    using bound_to_loop = void;

    /// Throws io_error naming the path: EADDRINUSE if it exists, even when nobody listens.
    [[nodiscard]] static unix_listener bind(const unix_endpoint& local, int backlog = 4096);

    unix_listener(unix_listener&&) noexcept = default;
    unix_listener& operator=(unix_listener&&) = delete;
    ~unix_listener() { close(); }

    [[nodiscard]] detail::stream_accept<unix_stream> accept() noexcept {
        return detail::stream_accept<unix_stream>(*state_);
    }
    /// The same, for another loop to take over.
    [[nodiscard]] detail::stream_accept<descriptor_in_flight> accept_descriptor() noexcept {
        return detail::stream_accept<descriptor_in_flight>(*state_);
    }
    void pause() noexcept { state_->pause(); }
    /// As tcp_listener::stop(); the path is removed too, so that a successor can bind it.
    void stop() noexcept;
    void close() noexcept;
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }

private:
    unix_listener(detail::descriptor_handle<detail::acceptor> state, std::string path) noexcept
        : state_(std::move(state)), path_(std::move(path)) {}

    void remove_path() noexcept;

    detail::descriptor_handle<detail::acceptor> state_;
    std::string path_;  // to remove; empty for an abstract name
};

}  // namespace rf::io
