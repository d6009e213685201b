// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_object.hpp>

#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rf::leakcheck::detail {
namespace {

/// Calls `visit(pointer, size)` for each piece that is left.
template <class Visit>
void for_each_piece(const io_span& whole, Visit&& visit) {
    std::size_t skip = whole.done;
    std::size_t left = whole.limit;
    for (const iovec& part : whole.parts) {
        const std::size_t skipped = std::min(skip, part.iov_len);
        const std::size_t size = std::min(left, part.iov_len - skipped);
        skip -= skipped;
        left -= size;
        if (size != 0) visit(static_cast<std::byte*>(part.iov_base) + skipped, size);
    }
}

}  // namespace

std::size_t io_span::size() const noexcept {
    std::size_t total = 0;
    for_each_piece(*this, [&](const std::byte*, std::size_t size) { total += size; });
    return total;
}

std::size_t io_span::fill(std::span<const std::byte> data) const noexcept {
    std::size_t filled = 0;
    for_each_piece(*this, [&](std::byte* at, std::size_t room) {
        const std::size_t size = std::min(room, data.size() - filled);
        if (size != 0) std::memcpy(at, data.data() + filled, size);
        filled += size;
    });
    return filled;
}

void io_span::append_to(std::vector<std::byte>& out) const {
    for_each_piece(*this, [&](const std::byte* at, std::size_t size) {
        out.insert(out.end(), at, at + size);
    });
}

std::vector<iovec> io_span::pieces() const {
    std::vector<iovec> found;
    for_each_piece(*this, [&](std::byte* at, std::size_t size) { found.push_back({at, size}); });
    return found;
}

io_result simulated_object::read(const io_span&, std::uint64_t) { return -EINVAL; }
io_result simulated_object::write(const io_span&, std::uint64_t) { return -EINVAL; }
io_result simulated_object::accept() { return is_socket() ? -EINVAL : -ENOTSOCK; }
io_result simulated_object::connect(const simulated_address&) {
    return is_socket() ? -EISCONN : -ENOTSOCK;
}
std::int32_t simulated_object::shut_down(int) { return is_socket() ? -ENOTCONN : -ENOTSOCK; }
std::int32_t simulated_object::allocate(int, std::uint64_t, std::uint64_t) { return -ENODEV; }
std::int32_t simulated_object::synchronise() { return -EINVAL; }

void simulated_object::changed() {
    ++changes_;
    world_.wake_parked(*this);
}

}  // namespace rf::leakcheck::detail
