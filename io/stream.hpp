// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/buffer_pool.hpp>
#include <ringfence/io/descriptor_in_flight.hpp>
#include <ringfence/io/detail/request.hpp>
#include <ringfence/io/detail/stream_state.hpp>
#include <ringfence/runtime/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>

namespace rf::io {

namespace detail {

/// `co_await stream.read()`: the next bytes, in a borrowed buffer.
class [[nodiscard]] read_awaiter final : public read_waiter {
public:
    using selectable = void;

    explicit read_awaiter(stream_state& stream) noexcept : stream_(&stream) {}
    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && stream_->input.ready();
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) start();
    }
    void start() noexcept {
        source_ = &stream_->input;
        stream_->input.wait(*this);
    }
    result<chunk> await_result() noexcept {
        chunk got = stream_->input.take();
        if (!got && stream_->input.error() != 0)
            return to_error(request_kind::receive, "receive", stream_->input.take_error());
        return got;
    }
    chunk await_resume() {
        chunk got = stream_->input.take();
        if (!got && stream_->input.error() != 0) [[unlikely]]
            throw_failure(request_kind::receive, "receive", stream_->input.take_error(),
                          stream_->about());
        return got;
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        stream_->input.forget(*this);
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override;

private:
    stream_state* stream_;
};

/// `co_await stream.read_some(span)`: straight into the caller's memory, unless the socket's own
/// receiver is in use; then from its queue.
class [[nodiscard]] read_some_awaiter final : public read_waiter, operation {
public:
    read_some_awaiter(stream_state& stream, std::span<std::byte> to) noexcept
        : stream_(&stream), to_(to) {}
    read_some_awaiter(read_some_awaiter&&) noexcept = default;

    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && (stream_->input.ready() || to_.empty());
    }
    void await_suspend(std::coroutine_handle<>) noexcept;
    result<std::size_t> await_result() noexcept {
        const int res = finish();
        if (res < 0) return to_error(request_kind::receive, "receive", -res);
        return static_cast<std::size_t>(res);
    }
    std::size_t await_resume() {
        const int res = finish();
        if (res < 0) [[unlikely]]
            throw_failure(request_kind::receive, "receive", -res, stream_->about());
        return static_cast<std::size_t>(res);
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override;
    void describe(wait_description& out) const override;

private:
    [[nodiscard]] int finish() noexcept;
    void start() noexcept;
    void on_completion(std::int32_t res, std::uint32_t) noexcept override { res_ = res; }
    void on_retired() noexcept override;

    stream_state* stream_;
    std::span<std::byte> to_;
    std::int32_t res_ = 0;
    bool direct_ = false;
};

/// `co_await stream.write_some(span)` and, with `all`, `write_all(span)`.
class [[nodiscard]] write_awaiter final : public request<write_awaiter, std::size_t> {
public:
    static constexpr request_kind kind = request_kind::send;
    write_awaiter(stream_state& stream, std::span<const std::byte> from, bool all) noexcept
        : stream_(&stream), from_(from), all_(all) {}

    [[nodiscard]] bool await_ready() noexcept {
        if (cancel_requested()) [[unlikely]]
            return false;
        return from_.empty() || (rf::detail::slot.owner->lonely() && send_now());
    }
    void prepare(io_uring_sqe& sqe) noexcept {
        ++stream_->requests;
        // MSG_WAITALL makes the kernel itself go on after a short send.
        rf::detail::prep::send(sqe, stream_->fd(), from_.data() + done_, from_.size() - done_,
                               MSG_NOSIGNAL | (all_ ? MSG_WAITALL : 0));
        stream_->aim(sqe);
    }
    [[nodiscard]] std::size_t take(std::int32_t) const noexcept { return done_; }
    [[nodiscard]] bool again(std::int32_t) const noexcept {
        return all_ && result_code() >= 0 && done_ < from_.size();
    }
    [[nodiscard]] bool cancelled() const noexcept { return done_ < from_.size() || from_.empty(); }
    [[nodiscard]] const char* name() const noexcept { return "send"; }
    [[nodiscard]] std::string about() const { return stream_->about(); }

private:
    /// Without a request; whether that was all. What failed is left to the request to say.
    [[nodiscard]] bool send_now() noexcept;
    void on_completion(std::int32_t res, std::uint32_t) noexcept override {
        set_result(res);
        if (res > 0) {
            done_ += static_cast<std::size_t>(res);
            stream_->bytes_sent += static_cast<std::uint64_t>(res);
        }
    }
    void on_retired() noexcept override {
        --stream_->requests;
        request::on_retired();
    }

    stream_state* stream_;
    std::span<const std::byte> from_;
    std::size_t done_ = 0;
    bool all_;
};

/// `co_await stream.write_vectored(parts)`: one gathering send; may be short.
class [[nodiscard]] write_vectored_awaiter final
    : public request<write_vectored_awaiter, std::size_t> {
public:
    static constexpr request_kind kind = request_kind::send;
    write_vectored_awaiter(stream_state& stream, std::span<const iovec> parts) noexcept
        : stream_(&stream) {
        message_.msg_iov = const_cast<iovec*>(parts.data());
        message_.msg_iovlen = parts.size();
    }
    void prepare(io_uring_sqe& sqe) noexcept {
        ++stream_->requests;
        rf::detail::prep::sendmsg(sqe, stream_->fd(), &message_, MSG_NOSIGNAL);
        stream_->aim(sqe);
    }
    [[nodiscard]] std::size_t take(std::int32_t res) noexcept {
        stream_->bytes_sent += static_cast<std::uint64_t>(res);
        return static_cast<std::size_t>(res);
    }
    [[nodiscard]] const char* name() const noexcept { return "send"; }
    [[nodiscard]] std::string about() const { return stream_->about(); }

private:
    void on_retired() noexcept override {
        --stream_->requests;
        request::on_retired();
    }
    stream_state* stream_;
    msghdr message_{};
};

class [[nodiscard]] shutdown_awaiter final : public request<shutdown_awaiter, void> {
public:
    static constexpr request_kind kind = request_kind::shutdown;
    shutdown_awaiter(stream_state& stream, int how) noexcept : stream_(&stream), how_(how) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::shutdown(sqe, stream_->fd(), how_);
    }
    void take(std::int32_t) const noexcept {}
    [[nodiscard]] const char* name() const noexcept { return "shutdown"; }
    [[nodiscard]] std::string about() const { return stream_->about(); }

private:
    stream_state* stream_;
    int how_;
};

}  // namespace detail

/// A connected stream socket: the part that TCP and unix sockets share.
///
/// One task may read while another writes; two readers or two writers at once are refused or, for
/// writers, interleave. The socket outlives every task that uses it; destroying it closes it, after
/// the kernel has let go, and drops what was received and not read.
///
/// Cancellation, by operation:
///   read, read_some        total: no byte is lost; what arrives stays for the next read
///   write_some             total
///   write_all, _vectored   partial: some bytes may have been sent; bytes_sent() says how many. A
///                          protocol that needs whole messages closes the connection then
///   shutdown_write         total
/// Errors: io_error with operation, errno and both endpoints. The end of the stream is no error.
/// Threads: one loop. Cost: about 400 bytes an idle connection, no buffer; reading and writing
///   allocate nothing.
class stream {
public:
    using bound_to_loop = void;

    stream() noexcept = default;

    /// The next bytes, in a buffer borrowed from the loop's pool only while there are bytes. Empty
    /// (false) at the end of the stream. The first read() arms a receive that serves all others.
    [[nodiscard]] detail::read_awaiter read() noexcept { return detail::read_awaiter(*state_); }

    /// Up to `to.size()` bytes into the caller's memory; 0 at the end of the stream.
    [[nodiscard]] detail::read_some_awaiter read_some(std::span<std::byte> to) noexcept {
        return {*state_, to};
    }

    /// Sends what the socket takes; returns how much.
    [[nodiscard]] detail::write_awaiter write_some(std::span<const std::byte> from) noexcept {
        return {*state_, from, false};
    }
    /// Sends all of it.
    [[nodiscard]] detail::write_awaiter write_all(std::span<const std::byte> from) noexcept {
        return {*state_, from, true};
    }
    [[nodiscard]] detail::write_awaiter write_all(std::string_view text) noexcept {
        return {*state_, std::as_bytes(std::span(text)), true};
    }
    /// Sends the parts in order with one call; returns how much was taken, which may be less.
    [[nodiscard]] detail::write_vectored_awaiter write_vectored(
        std::span<const iovec> parts) noexcept {
        return {*state_, parts};
    }

    /// Says that nothing more will be sent; reading goes on. The peer reads the end of the stream.
    [[nodiscard]] detail::shutdown_awaiter shutdown_write() noexcept { return {*state_, SHUT_WR}; }

    /// Closes now; the kernel is told in the next turn. Nobody may be reading or writing.
    void close() noexcept { state_.reset(); }

    /// Gives the connection up, for another loop to take over. Only before anything was read from
    /// it, for what has been received could not go along, and while nobody uses it: aborts
    /// otherwise. This stream is then empty.
    [[nodiscard]] descriptor_in_flight release() noexcept;

    /// Closes with a reset: the peer reads ECONNRESET, and nothing lingers.
    void abort() noexcept;

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    [[nodiscard]] std::uint64_t bytes_received() const noexcept {
        return state_->input.bytes_received;
    }
    [[nodiscard]] std::uint64_t bytes_sent() const noexcept { return state_->bytes_sent; }

    /// While the scope of a reading task drains, read() ends as if the peer had no more to say,
    /// once what is there has been read. Set by serve().
    void end_input_at_drain(bool on) noexcept { state_->input.ends_at_drain = on; }

    /// The descriptor, for getsockopt and its kin. Not to be closed, read or written.
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }

protected:
    explicit stream(detail::descriptor_handle<detail::stream_state> state) noexcept
        : state_(std::move(state)) {}

    detail::descriptor_handle<detail::stream_state> state_;
};

}  // namespace rf::io
