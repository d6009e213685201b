// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/task.hpp>

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
        if (begin_ == end_) co_return co_await source_->read_some(to);
        co_return take(to);
    }

    /// Fills all of `to`.
    [[nodiscard]] task<> read_exact(std::span<std::byte> to) {
        while (buffered() < to.size()) {
            const bool more = co_await fill(to.size());
            if (!more)
                throw_error({"read exactly", ENODATA}, std::to_string(to.size()) +
                                                           " bytes (the stream ended after " +
                                                           std::to_string(buffered()) + ")");
        }
        take(to);
    }

    /// Everything up to and with `delimiter`. At the end of the stream what is left, without one;
    /// empty when nothing is. EMSGSIZE if there is none among the first `size_max` bytes.
    [[nodiscard]] task<std::string> read_until(std::string delimiter, std::size_t size_max) {
        std::size_t searched = 0;
        for (;;) {
            const std::string_view have = view();
            const std::size_t at = have.substr(0, size_max).find(delimiter, searched);
            if (at != std::string_view::npos) co_return take_text(at + delimiter.size());
            if (have.size() >= size_max)
                throw_error({"read line", EMSGSIZE},
                            "(no end within " + std::to_string(size_max) + " bytes)");
            searched = have.size() < delimiter.size() ? 0 : have.size() - delimiter.size() + 1;
            const bool more = co_await fill(have.size() + 1);
            if (!more) co_return take_text(buffered());
        }
    }

    /// The next line without its "\n" or "\r\n"; nothing at the end of the stream. A last line that
    /// has no end counts. EMSGSIZE if the line with its end is longer than `size_max` bytes.
    [[nodiscard]] task<std::optional<std::string>> read_line(std::size_t size_max = 8192) {
        std::string line = co_await read_until("\n", size_max);
        if (line.empty()) co_return std::nullopt;
        if (line.back() == '\n') {
            line.pop_back();
            if (!line.empty() && line.back() == '\r') line.pop_back();
        }
        co_return std::optional<std::string>(std::move(line));
    }

    /// At least `size` bytes without taking them; fewer if the stream ends. Valid until the next
    /// call.
    [[nodiscard]] task<std::span<const std::byte>> peek(std::size_t size) {
        while (buffered() < size) {
            const bool more = co_await fill(size);
            if (!more) break;
        }
        co_return std::span<const std::byte>(buffer_).subspan(begin_, buffered());
    }

    /// Bytes that are here and not yet returned.
    [[nodiscard]] std::size_t buffered() const noexcept { return end_ - begin_; }

private:
    [[nodiscard]] std::string_view view() const noexcept {
        return {reinterpret_cast<const char*>(buffer_.data()) + begin_, buffered()};
    }
    std::size_t take(std::span<std::byte> to) noexcept {
        const std::size_t size = std::min(to.size(), buffered());
        if (size != 0) std::memcpy(to.data(), buffer_.data() + begin_, size);
        begin_ += size;
        return size;
    }
    std::string take_text(std::size_t size) {
        std::string text(view().substr(0, size));
        begin_ += text.size();
        return text;
    }

    // Reads once, with room for `wanted` bytes in all. False at the end of the stream. What arrives
    // is booked before anything else can happen, so a cancel loses none of it.
    task<bool> fill(std::size_t wanted) {
        if (begin_ == end_) begin_ = end_ = 0;
        if (end_ == buffer_.size() || begin_ + wanted > buffer_.size()) {
            if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, buffered());
            end_ -= begin_;
            begin_ = 0;
            if (wanted > buffer_.size()) buffer_.resize(std::max(wanted, 2 * buffer_.size()));
        }
        const std::size_t got = co_await source_->read_some(std::span(buffer_).subspan(end_));
        end_ += got;
        co_return got != 0;
    }

    Source* source_;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;  // begin_ <= end_ <= buffer_.size(); between them what is buffered
    std::size_t end_ = 0;
};

}  // namespace rf::io
