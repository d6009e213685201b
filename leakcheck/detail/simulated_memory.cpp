// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_memory.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>

namespace rf::leakcheck::detail {

io_result simulated_file::read(const io_span& to, std::uint64_t offset) {
    const std::uint64_t from = offset == at_position ? position_ : offset;
    if (from >= content_.size()) return 0;
    const std::size_t size = to.fill(std::span(content_).subspan(from));
    if (offset == at_position) position_ += size;
    return static_cast<std::int32_t>(size);
}

io_result simulated_file::write(const io_span& from, std::uint64_t offset) {
    const std::uint64_t at = offset == at_position ? position_ : offset;
    std::vector<std::byte> data;
    from.append_to(data);
    if (at > size_max || data.size() > size_max - at) return -ENOSPC;
    if (content_.size() < at + data.size()) content_.resize(at + data.size());
    std::ranges::copy(data, content_.begin() + static_cast<std::ptrdiff_t>(at));
    if (offset == at_position) position_ += data.size();
    changed();
    return static_cast<std::int32_t>(data.size());
}

std::int32_t simulated_file::allocate(int, std::uint64_t offset, std::uint64_t size) {
    if (size == 0) return -EINVAL;
    if (offset > size_max || size > size_max - offset) return -ENOSPC;
    if (content_.size() < offset + size) content_.resize(offset + size);
    return 0;
}

std::uint32_t simulated_file::poll_mask() const noexcept { return POLLIN | POLLOUT; }

io_result simulated_counter::read(const io_span& to, std::uint64_t) {
    if (to.size() < sizeof count_) return -EINVAL;
    if (count_ == 0) return {};
    to.fill(std::as_bytes(std::span(&count_, 1)));
    count_ = 0;
    changed();
    return static_cast<std::int32_t>(sizeof count_);
}

io_result simulated_counter::write(const io_span& from, std::uint64_t) {
    std::vector<std::byte> data;
    from.append_to(data);
    std::uint64_t amount = 0;
    if (data.size() < sizeof amount) return -EINVAL;
    std::memcpy(&amount, data.data(), sizeof amount);
    add(amount);
    return static_cast<std::int32_t>(sizeof amount);
}

void simulated_counter::add(std::uint64_t amount) {
    count_ += amount;
    changed();
}

std::uint32_t simulated_counter::poll_mask() const noexcept {
    return count_ != 0 ? POLLIN | POLLOUT : POLLOUT;
}

}  // namespace rf::leakcheck::detail
