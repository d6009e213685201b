// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_stream.hpp>

#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <algorithm>
#include <cerrno>
#include <poll.h>

namespace rf::leakcheck::detail {

std::size_t byte_queue::move_to(const io_span& to) {
    const std::size_t size = std::min(to.size(), bytes.size());
    const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(size);
    const std::vector<std::byte> taken(bytes.begin(), end);
    bytes.erase(bytes.begin(), end);
    return to.fill(taken);
}

std::size_t byte_queue::take_from(const io_span& from) {
    io_span part = from;
    part.limit = std::min(part.limit, room());
    std::vector<std::byte> taken;
    part.append_to(taken);
    bytes.insert(bytes.end(), taken.begin(), taken.end());
    return taken.size();
}

void simulated_stream::join(const std::shared_ptr<simulated_stream>& a,
                            const std::shared_ptr<simulated_stream>& b, std::size_t capacity) {
    a->peer_ = b;
    b->peer_ = a;
    a->in_.capacity = b->in_.capacity = capacity;
    a->connected_ = b->connected_ = true;
    a->changed();
    b->changed();
}

simulated_stream::~simulated_stream() {
    const auto other = peer();
    if (other == nullptr) return;
    // Bytes that nobody read turn the close into a reset, as TCP does.
    if (is_socket() && (abrupt || !in_.bytes.empty()))
        other->break_off();
    else
        other->hear_end();
}

void simulated_stream::hear_end() {
    end_heard_ = true;
    changed();
}

void simulated_stream::break_off() {
    broken_ = was_broken_ = true;
    end_heard_ = true;
    in_.bytes.clear();
    changed();
}

void simulated_stream::reset() {
    if (const auto other = peer()) other->break_off();
    in_.bytes.clear();
    peer_.reset();
    end_heard_ = was_broken_ = true;
    changed();
}

io_result simulated_stream::read(const io_span& to, std::uint64_t) {
    if (role_ == role::pipe_writer) return -EBADF;
    if (!connected_) return -ENOTCONN;
    if (to.size() == 0) return 0;
    if (!in_.bytes.empty()) {
        const auto size = static_cast<std::int32_t>(in_.move_to(to));
        if (const auto other = peer()) other->changed();  // there is room
        return size;
    }
    if (broken_) {
        broken_ = false;
        return -ECONNRESET;
    }
    if (end_heard_ || read_shut_) return 0;
    return {};
}

io_result simulated_stream::write(const io_span& from, std::uint64_t) {
    if (role_ == role::pipe_reader) return -EBADF;
    if (!connected_) return is_socket() ? -ENOTCONN : -EPIPE;
    if (broken_) {
        broken_ = false;
        return -ECONNRESET;
    }
    const auto other = peer();
    if (write_shut_ || was_broken_ || other == nullptr || other->read_shut_) return -EPIPE;
    if (from.size() == 0) return 0;
    if (other->in_.room() == 0) return {};
    const auto size = static_cast<std::int32_t>(other->in_.take_from(from));
    other->changed();
    return size;
}

io_result simulated_stream::connect(const simulated_address& peer) {
    if (role_ != role::socket) return -ENOTSOCK;
    if (connected_) return -EISCONN;
    if (family != AF_UNSPEC && family != peer.family()) return -EAFNOSUPPORT;
    return world_.connect_stream(*this, peer);
}

std::int32_t simulated_stream::shut_down(int how) {
    if (role_ != role::socket) return -ENOTSOCK;
    if (!connected_) return -ENOTCONN;
    if (how == SHUT_RD || how == SHUT_RDWR) read_shut_ = true;
    if ((how == SHUT_WR || how == SHUT_RDWR) && !write_shut_) {
        write_shut_ = true;
        if (const auto other = peer()) other->hear_end();
    }
    changed();
    return 0;
}

std::uint32_t simulated_stream::poll_mask() const noexcept {
    if (!connected_) return POLLOUT | POLLHUP;
    const auto other = peer();
    std::uint32_t mask = 0;
    const bool at_end = end_heard_ || read_shut_;
    if (role_ != role::pipe_writer && (!in_.bytes.empty() || at_end)) mask |= POLLIN;
    if (role_ != role::pipe_reader &&
        (other == nullptr || write_shut_ || other->in_.room() != 0 || broken_))
        mask |= POLLOUT;
    if (is_socket() && at_end) mask |= POLLRDHUP;
    if ((at_end && write_shut_) || (other == nullptr && role_ != role::pipe_writer))
        mask |= POLLHUP;
    if (broken_ || (other == nullptr && role_ == role::pipe_writer)) mask |= POLLERR;
    return mask;
}

}  // namespace rf::leakcheck::detail
