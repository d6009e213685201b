// SPDX-License-Identifier: MIT
#include <ringfence/runtime/uring_trial.hpp>

#include <ringfence/runtime/uring_constants.hpp>
#include <ringfence/runtime/uring_requests.hpp>

#include <atomic>
#include <chrono>
#include <cstring>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace rf::detail {
namespace {

constexpr std::uint32_t buffers_count = 8;
constexpr std::uint32_t buffer_bytes = 256;    // room for the head that recvmsg writes first
constexpr std::size_t page_bytes = 64 * 1024;  // the largest page of any machine Linux runs on
constexpr auto patience = std::chrono::seconds(1);

}  // namespace

uring_trial::uring_trial(uring_ring& ring) noexcept : ring_(ring) {}

uring_trial::~uring_trial() {
    if (provided_) {
        io_uring_buf_reg reg{};
        reg.bgid = group;
        (void)ring_.register_op(IORING_UNREGISTER_PBUF_RING, &reg, 1);
    }
    if (memory_ != nullptr && in_flight_ == 0) ::munmap(memory_, 2 * page_bytes);
}

bool uring_trial::provide_buffers() noexcept {
    void* memory =
        ::mmap(nullptr, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    memory_ = static_cast<std::byte*>(memory);
    auto* descriptors = reinterpret_cast<io_uring_buf_ring*>(memory_);

    io_uring_buf_reg reg{};
    reg.ring_addr = prep::address(descriptors);
    reg.ring_entries = buffers_count;
    reg.bgid = group;
    if (ring_.register_op(IORING_REGISTER_PBUF_RING, &reg, 1) < 0) return false;
    provided_ = true;
    for (std::uint16_t i = 0; i < buffers_count; ++i) {
        io_uring_buf& buffer = abi::ring_buffers(descriptors)[i];
        buffer.addr = prep::address(memory_ + page_bytes + i * buffer_bytes);
        buffer.len = buffer_bytes;
        buffer.bid = i;
    }
    std::atomic_ref(descriptors->tail)
        .store(static_cast<std::uint16_t>(buffers_count), std::memory_order_release);
    return true;
}

io_uring_sqe& uring_trial::next(std::uint64_t user_data) noexcept {
    io_uring_sqe& sqe = ring_.sqes()[tail_++ & (ring_.sq_entries() - 1)];
    std::memset(&sqe, 0, sizeof sqe);
    sqe.user_data = user_data;
    ++in_flight_;
    return sqe;
}

std::optional<completion> uring_trial::wait_for(std::uint64_t user_data) noexcept {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    ring_.publish(tail_);
    for (;;) {
        while (ring_.cq_ready() != 0) {
            const io_uring_cqe& cqe = ring_.cqe(0);
            const completion got{cqe.user_data, cqe.res, cqe.flags};
            ring_.consume(1);
            if ((got.flags & IORING_CQE_F_MORE) == 0) --in_flight_;
            if (got.user_data == user_data) return got;
        }
        const auto left = deadline - std::chrono::steady_clock::now();
        if (left <= left.zero()) return std::nullopt;
        (void)ring_.enter(tail_ - ring_.taken(), 1, true, left);
    }
}

void uring_trial::end() noexcept {
    if (in_flight_ == 0) return;
    const std::uint64_t target = last_user_data_;
    prep::cancel(next(++last_user_data_), target);
    (void)wait_for(last_user_data_);
    while (in_flight_ != 0 && wait_for(target)) {
    }
}

trial_sockets::trial_sockets(int type) noexcept {
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds_) != 0) fds_[0] = fds_[1] = -1;
}

trial_sockets::~trial_sockets() {
    for (const int fd : fds_)
        if (fd >= 0) ::close(fd);
}

void trial_sockets::close_near() noexcept { ::close(std::exchange(fds_[0], -1)); }

bool trial_sockets::feed() const noexcept { return ::send(fds_[1], "x", 1, MSG_NOSIGNAL) == 1; }

trial_listener::trial_listener() noexcept {
    // Bound to no name, the socket gets one in the abstract namespace: no file is left behind.
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    socklen_t size = sizeof(sa_family_t);
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    peer_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening_ < 0 || peer_ < 0) return;
    auto* address = reinterpret_cast<sockaddr*>(&name);
    if (::bind(listening_, address, size) != 0 || ::listen(listening_, 1) != 0) return;
    size = sizeof name;
    connected_ =
        ::getsockname(listening_, address, &size) == 0 && ::connect(peer_, address, size) == 0;
}

trial_listener::~trial_listener() {
    if (listening_ >= 0) ::close(listening_);
    if (peer_ >= 0) ::close(peer_);
}

}  // namespace rf::detail
