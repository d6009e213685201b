// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/descriptor_in_flight.hpp>
#include <ringfence/io/detail/acceptor.hpp>
#include <ringfence/io/endpoint.hpp>
#include <ringfence/io/tcp_stream.hpp>

#include <cstdint>

namespace rf::io {

struct listen_options {
    int backlog = 4096;  // cut to net.core.somaxconn by the kernel
    bool reuse_address = true;
    bool reuse_port = false;  // several listeners on one port, one per shard
    bool v6_only = true;
    tcp_options accepted{};  // for the connections it accepts
};

namespace detail {

/// `co_await listener.accept()`.
template <class Stream>
class [[nodiscard]] stream_accept : public rf::detail::native_awaiter {
public:
    using selectable = void;

    explicit stream_accept(acceptor& from) noexcept : accept_(from) {}
    [[nodiscard]] bool await_ready() const noexcept { return accept_.await_ready(); }
    void await_suspend(std::coroutine_handle<> h) noexcept { accept_.await_suspend(h); }
    void start() noexcept { accept_.start(); }
    [[nodiscard]] waiter& as_waiter() noexcept { return accept_; }
    Stream await_resume() { return take_over<Stream>(accept_.await_resume()); }
    result<Stream> await_result() {
        result<int> fd = accept_.await_result();
        if (!fd) return fd.error();
        return take_over<Stream>(*fd);
    }

private:
    acceptor::accept_awaiter accept_;
};

}  // namespace detail

/// Takes TCP connections.
///
/// bind() throws io_error that names the address and the remedy: in use (EADDRINUSE), not of this
/// machine (EADDRNOTAVAIL), not allowed (EACCES). Accepting is one request to the kernel for all
/// connections; running out of descriptors is survived (see statistics()).
/// Cancellation: accept() is total: cancelled, it leaves the connection to the next one.
/// Errors: accept() throws io_error if the listener fails for good, or was stopped (EINVAL).
/// Lifetime: outlives the tasks that accept. Closing it closes connections nobody has taken.
/// Threads: one loop.
class tcp_listener {
public:
    using stream_type = tcp_stream;
    using bound_to_loop = void;

    [[nodiscard]] static tcp_listener bind(const endpoint& local,
                                           const listen_options& options = {});
    [[nodiscard]] static result<tcp_listener> try_bind(const endpoint& local,
                                                       const listen_options& options = {});

    /// The next connection.
    [[nodiscard]] detail::stream_accept<tcp_stream> accept() noexcept {
        return detail::stream_accept<tcp_stream>(*state_);
    }
    /// The same, for another loop to take over.
    [[nodiscard]] detail::stream_accept<descriptor_in_flight> accept_descriptor() noexcept {
        return detail::stream_accept<descriptor_in_flight>(*state_);
    }
    /// Leaves further connections in the backlog until accept() is called again.
    void pause() noexcept { state_->pause(); }
    /// Takes no more connections: clients are refused from now on (ECONNREFUSED) instead of waiting
    /// in the backlog. Those connected before are given out by accept(), which fails after the
    /// last. The listener keeps its address for local() and its descriptor until it is closed.
    void stop() noexcept { state_->stop_listening(); }
    /// Nobody may be accepting.
    void close() noexcept { state_.reset(); }

    /// Where it listens: with port 0, the port the system chose.
    [[nodiscard]] endpoint local() const noexcept { return state_->local(); }
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }

    struct statistics_type {
        std::uint64_t accepted = 0;
        std::uint64_t pauses = 0;  // times that descriptors or memory ran out
    };
    [[nodiscard]] statistics_type statistics() const noexcept {
        return {state_->accepted, state_->pauses};
    }

private:
    explicit tcp_listener(detail::descriptor_handle<detail::acceptor> state) noexcept
        : state_(std::move(state)) {}

    detail::descriptor_handle<detail::acceptor> state_;
};

}  // namespace rf::io
