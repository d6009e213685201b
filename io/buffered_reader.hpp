// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/read_buffer.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace rf::io {

/// What bytes can be read from: read_some(span) yields how many, 0 at the end of the stream.
template <class T>
concept byte_source = requires(T& source, std::span<std::byte> to) { source.read_some(to); };

/// Reads a byte stream by lines, delimiters and exact sizes.
///
///     rf::io::buffered_reader in(peer);
///     while (auto line = co_await in.read_line(8192)) handle(*line);
///
/// Cancellation: total for every member: what has been received and not returned stays in the
///   buffer for the next call, in order, and so does all of it after an error.
/// Lifetime: `source` outlives the reader, the reader the tasks that read. One task at a time.
/// Errors: those of the source; EMSGSIZE for a line that is too long; ENODATA for a stream that
///   ends before read_exact has what it wants. Threads: one loop.
/// Memory: `buffer_bytes`, and more only while a line or a read_exact needs it. Each call has a
///   task's frame.
template <byte_source Source>
class buffered_reader {
public:
    explicit buffered_reader(Source& source, std::size_t buffer_bytes = 4096)
        : source_(&source), buffer_(buffer_bytes) {}

    /// What is buffered, or else what one read of the source yields; 0 at the end of the stream.
    [[nodiscard]] task<std::size_t> read_some(std::span<std::byte> to) {
        if (buffer_.empty()) co_return co_await source_->read_some(to);
        co_return buffer_.take(to);
    }

    /// Fills all of `to`.
    [[nodiscard]] task<> read_exact(std::span<std::byte> to) {
        while (buffer_.size() < to.size()) {
            const bool more = co_await fill(to.size());
            if (!more) buffer_.refuse_short(to.size());
        }
        buffer_.take(to);
    }

    /// Everything up to and with `delimiter`. At the end of the stream what is left, without one;
    /// empty when nothing is. EMSGSIZE if there is none among the first `size_max` bytes.
    [[nodiscard]] task<std::string> read_until(std::string delimiter, std::size_t size_max) {
        std::size_t searched = 0;
        for (;;) {
            const std::size_t at = buffer_.find(delimiter, size_max, searched);
            if (at != std::string::npos) co_return buffer_.take_text(at + delimiter.size());
            const std::size_t have = buffer_.size();
            if (have >= size_max) buffer_.refuse_long(size_max);
            searched = have < delimiter.size() ? 0 : have - delimiter.size() + 1;
            const bool more = co_await fill(have + 1);
            if (!more) co_return buffer_.take_text(have);
        }
    }

    /// The next line without its "\n" or "\r\n"; nothing at the end of the stream. A last line that
    /// has no end counts. EMSGSIZE if the line with its end is longer than `size_max` bytes.
    [[nodiscard]] task<std::optional<std::string>> read_line(std::size_t size_max = 8192) {
        std::string line = co_await read_until("\n", size_max);
        if (line.empty()) co_return std::nullopt;
        co_return detail::without_line_end(std::move(line));
    }

    /// At least `size` bytes without taking them; fewer if the stream ends. Valid until the next
    /// call.
    [[nodiscard]] task<std::span<const std::byte>> peek(std::size_t size) {
        while (buffer_.size() < size) {
            const bool more = co_await fill(size);
            if (!more) break;
        }
        co_return buffer_.bytes();
    }

    /// Bytes that are here and not yet returned.
    [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size(); }

private:
    // Reads once, with room for `wanted` bytes in all. False at the end of the stream. What arrives
    // is booked before anything else can happen, so a cancel loses none of it.
    task<bool> fill(std::size_t wanted) {
        const std::size_t got = co_await source_->read_some(buffer_.room(wanted));
        buffer_.received(got);
        co_return got != 0;
    }

    Source* source_;
    detail::read_buffer buffer_;
};

}  // namespace rf::io
