// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace rf::io::detail {

/// The memory of a buffered_writer: bytes that have been taken and not yet sent. It never grows.
class write_buffer {
public:
    explicit write_buffer(std::size_t bytes);

    [[nodiscard]] std::size_t size() const noexcept { return memory_.size() - begin_; }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t capacity() const noexcept { return memory_.capacity(); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {memory_.data() + begin_, size()};
    }

    /// Copies as much as there is room for. Returns how much.
    [[nodiscard]] std::size_t take(std::span<const std::byte> from);
    /// The first `size` bytes are gone; when all are, there is room again.
    void sent(std::size_t size) noexcept;

private:
    std::vector<std::byte> memory_;  // never grows past its first capacity
    std::size_t begin_ = 0;          // what lies before has been sent
};

}  // namespace rf::io::detail
