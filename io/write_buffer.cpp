// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/write_buffer.hpp>

#include <algorithm>

namespace rf::io::detail {

write_buffer::write_buffer(std::size_t bytes) { memory_.reserve(bytes); }

std::size_t write_buffer::take(std::span<const std::byte> from) {
    const std::size_t part = std::min(memory_.capacity() - memory_.size(), from.size());
    memory_.insert(memory_.end(), from.begin(), from.begin() + static_cast<long>(part));
    return part;
}

void write_buffer::sent(std::size_t size) noexcept {
    begin_ += size;
    if (begin_ != memory_.size()) return;
    memory_.clear();
    begin_ = 0;
}

}  // namespace rf::io::detail
