// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/write_buffer.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <span>
#include <string_view>

namespace rf::io {

/// What bytes can be written to: write_all(span) takes all of them.
template <class T>
concept byte_sink = requires(T& sink, std::span<const std::byte> from) { sink.write_all(from); };

/// Gathers small writes to a byte stream into few large ones.
///
///     rf::io::buffered_writer out(peer);
///     co_await out.write("HTTP/1.1 200 OK\r\n");
///     ...
///     co_await out.flush();
///
/// The destructor cannot wait and so does not flush: what is pending then is dropped. Flush before
/// the end, and look at pending() where that may have been forgotten.
///
/// Cancellation: over a sink that has write_some (streams and pipes do), a cancelled flush() keeps
///   what has not been sent for the next one, in order; a cancelled write() may have taken part of
///   its bytes, and accepted() says how many. Over other sinks both are terminal.
/// Lifetime: `sink` outlives the writer, the writer the tasks that write. One task writes at a
/// time. Errors: those of the sink. Threads: one loop. Memory: `buffer_bytes`.
template <byte_sink Sink>
class buffered_writer {
public:
    explicit buffered_writer(Sink& sink, std::size_t buffer_bytes = 4096)
        : sink_(&sink), buffer_(buffer_bytes) {}
    buffered_writer(const buffered_writer&) = delete;
    buffered_writer& operator=(const buffered_writer&) = delete;

    /// Takes all bytes: into the buffer, and what has no room there into the sink.
    [[nodiscard]] task<> write(std::span<const std::byte> from) {
        while (!from.empty()) {
            if (buffer_.empty() && from.size() >= buffer_.capacity()) {
                // Larger than the buffer, with nothing before it: straight through.
                const std::size_t sent = co_await send(from);
                accepted_ += sent;
                from = from.subspan(sent);
                continue;
            }
            const std::size_t part = buffer_.take(from);
            accepted_ += part;
            from = from.subspan(part);
            if (!from.empty()) co_await flush();
        }
    }
    [[nodiscard]] task<> write(std::string_view text) {
        return write(std::as_bytes(std::span(text)));
    }

    /// Sends what is pending.
    [[nodiscard]] task<> flush() {
        while (!buffer_.empty()) {
            const std::size_t sent = co_await send(buffer_.bytes());
            buffer_.sent(sent);
        }
    }

    /// Bytes taken and not sent.
    [[nodiscard]] std::size_t pending() const noexcept { return buffer_.size(); }
    /// Bytes taken, ever.
    [[nodiscard]] std::size_t accepted() const noexcept { return accepted_; }

private:
    // At least one byte; more than one wait only where the sink gives no choice.
    task<std::size_t> send(std::span<const std::byte> from) {
        if constexpr (requires { sink_->write_some(from); }) {
            co_return co_await sink_->write_some(from);
        } else {
            co_await sink_->write_all(from);
            co_return from.size();
        }
    }

    Sink* sink_;
    detail::write_buffer buffer_;
    std::size_t accepted_ = 0;
};

}  // namespace rf::io
