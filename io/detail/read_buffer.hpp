// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rf::io::detail {

/// The memory of a buffered_reader: bytes that have been received and not yet returned, and room
/// for more behind them.
class read_buffer {
public:
    explicit read_buffer(std::size_t bytes);

    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {memory_.data() + begin_, size()};
    }
    /// Where `delimiter` begins among the first `size_max` bytes, looked for from `from` on.
    [[nodiscard]] std::size_t find(std::string_view delimiter, std::size_t size_max,
                                   std::size_t from) const noexcept;

    /// Moves out as many bytes as there are and `to` takes.
    std::size_t take(std::span<std::byte> to) noexcept;
    [[nodiscard]] std::string take_text(std::size_t size);

    /// What to receive into, so that in the end `wanted` bytes can be here at once.
    [[nodiscard]] std::span<std::byte> room(std::size_t wanted);
    void received(std::size_t size) noexcept { end_ += size; }

    /// The stream has ended before there were `wanted` bytes.
    [[noreturn]] void refuse_short(std::size_t wanted) const;
    [[noreturn]] static void refuse_long(std::size_t size_max);

private:
    [[nodiscard]] std::string_view text() const noexcept;

    std::vector<std::byte> memory_;
    std::size_t begin_ = 0;  // begin_ <= end_ <= memory_.size(); between them what is buffered
    std::size_t end_ = 0;
};

/// The line without its "\n" or "\r\n".
[[nodiscard]] std::string without_line_end(std::string line);

}  // namespace rf::io::detail
