// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for drivers and operations only

#include <ringfence/runtime/detail/io_uring.hpp>

#include <bit>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <sys/socket.h>

/// Each function describes one request in an entry that is all zero, and leaves user_data alone.
/// What the pointers name must stay until the request has completed, unless it says otherwise;
/// paths and socket addresses too, because a request may be carried out by a worker thread later.
/// Sizes are cut to what one call of the kernel can do; the result says how much was done.
namespace rf::detail::prep {

/// The most that one read, write, send or receive does: MAX_RW_COUNT of the kernel.
inline constexpr std::size_t transfer_max = static_cast<std::size_t>(INT_MAX) & ~std::size_t{4095};

[[nodiscard]] inline std::uint64_t address(const volatile void* pointer) noexcept {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

[[nodiscard]] inline std::uint32_t length(std::size_t size) noexcept {
    return static_cast<std::uint32_t>(size < transfer_max ? size : transfer_max);
}

/// The four fields that nearly every request has.
inline void request(io_uring_sqe& sqe, std::uint8_t opcode, int fd, std::uint64_t addr,
                    std::uint32_t len, std::uint64_t offset = 0) noexcept {
    sqe.opcode = opcode;
    sqe.fd = fd;
    sqe.addr = addr;
    sqe.len = len;
    sqe.off = offset;
}

inline void nop(io_uring_sqe& sqe) noexcept { request(sqe, IORING_OP_NOP, -1, 0, 0); }

/// Asks that the request with this user_data end. Cancelling by descriptor is not offered: that
/// matches the file, whoever uses the number by then.
inline void cancel(io_uring_sqe& sqe, std::uint64_t target) noexcept {
    request(sqe, IORING_OP_ASYNC_CANCEL, -1, target, 0);
}

/// Asks that everything on the ring end (kernel_features::cancel_any). Teardown only.
inline void cancel_all(io_uring_sqe& sqe) noexcept {
    request(sqe, IORING_OP_ASYNC_CANCEL, -1, 0, 0);
    sqe.cancel_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
}

/// Completes with ETIME. For tests: a program's timers live in user space.
inline void timeout(io_uring_sqe& sqe, const __kernel_timespec* after) noexcept {
    request(sqe, IORING_OP_TIMEOUT, -1, address(after), 1);
}

/// Waits once for any of `events` (POLLIN, ...); the result is what was found.
inline void poll_add(io_uring_sqe& sqe, int fd, std::uint32_t events) noexcept {
    request(sqe, IORING_OP_POLL_ADD, fd, 0, 0);
    // The field was 16 bits once; big-endian machines keep that half in its old place.
    if constexpr (std::endian::native == std::endian::big) events = std::rotl(events, 16);
    sqe.poll32_events = events;
}

/// The same, time and again: once per event, as edge-triggered epoll does.
inline void poll_multishot(io_uring_sqe& sqe, int fd, std::uint32_t events) noexcept {
    poll_add(sqe, fd, events);
    sqe.len = IORING_POLL_ADD_MULTI;
}

// Sockets. Sending never raises SIGPIPE.

/// `address` and `size` may be null. `flags` as accept4; the new descriptor is close-on-exec.
inline void accept(io_uring_sqe& sqe, int fd, sockaddr* peer, socklen_t* size,
                   int flags = 0) noexcept {
    request(sqe, IORING_OP_ACCEPT, fd, address(peer), 0, address(size));
    sqe.accept_flags = static_cast<std::uint32_t>(flags | SOCK_CLOEXEC);
}

/// Takes no address: all connections would write to the one.
inline void accept_multishot(io_uring_sqe& sqe, int fd, int flags = 0) noexcept {
    accept(sqe, fd, nullptr, nullptr, flags);
    sqe.ioprio = IORING_ACCEPT_MULTISHOT;
}

inline void connect(io_uring_sqe& sqe, int fd, const sockaddr* peer, socklen_t size) noexcept {
    request(sqe, IORING_OP_CONNECT, fd, address(peer), 0, size);
}

inline void recv(io_uring_sqe& sqe, int fd, void* data, std::size_t size, int flags = 0) noexcept {
    request(sqe, IORING_OP_RECV, fd, address(data), length(size));
    sqe.msg_flags = static_cast<std::uint32_t>(flags);
}

/// Receives at most `size_max` bytes (0: a buffer full) into a buffer of `group`.
inline void recv_select(io_uring_sqe& sqe, int fd, std::uint16_t group, std::size_t size_max = 0,
                        int flags = 0) noexcept {
    recv(sqe, fd, nullptr, size_max, flags);
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = group;
}

/// Receives into buffers of `group` until an end is reported without IORING_CQE_F_MORE.
inline void recv_multishot(io_uring_sqe& sqe, int fd, std::uint16_t group, int flags = 0) noexcept {
    recv_select(sqe, fd, group, 0, flags);
    sqe.ioprio = IORING_RECV_MULTISHOT;
}

inline void recvmsg(io_uring_sqe& sqe, int fd, msghdr* message, int flags = 0) noexcept {
    request(sqe, IORING_OP_RECVMSG, fd, address(message), 1);
    sqe.msg_flags = static_cast<std::uint32_t>(flags);
}

/// Each buffer begins with an io_uring_recvmsg_out; `message` says only how much room the name and
/// the control data get. An empty datagram ends it (observed on 6.18) and is data all the same.
inline void recvmsg_multishot(io_uring_sqe& sqe, int fd, msghdr* message, std::uint16_t group,
                              int flags = 0) noexcept {
    recvmsg(sqe, fd, message, flags);
    sqe.ioprio = IORING_RECV_MULTISHOT;
    sqe.flags |= IOSQE_BUFFER_SELECT;
    sqe.buf_group = group;
}

inline void send(io_uring_sqe& sqe, int fd, const void* data, std::size_t size,
                 int flags = 0) noexcept {
    request(sqe, IORING_OP_SEND, fd, address(data), length(size));
    sqe.msg_flags = static_cast<std::uint32_t>(flags | MSG_NOSIGNAL);
}

/// The buffer is the kernel's until the completion without IORING_CQE_F_MORE, which may never come
/// while the peer reads nothing: it must not belong to a task.
inline void send_zc(io_uring_sqe& sqe, int fd, const void* data, std::size_t size,
                    int flags = 0) noexcept {
    send(sqe, fd, data, size, flags);
    sqe.opcode = IORING_OP_SEND_ZC;
}

inline void sendmsg(io_uring_sqe& sqe, int fd, const msghdr* message, int flags = 0) noexcept {
    request(sqe, IORING_OP_SENDMSG, fd, address(message), 1);
    sqe.msg_flags = static_cast<std::uint32_t>(flags | MSG_NOSIGNAL);
}

inline void shutdown(io_uring_sqe& sqe, int fd, int how) noexcept {
    request(sqe, IORING_OP_SHUTDOWN, fd, 0, static_cast<std::uint32_t>(how));
}

}  // namespace rf::detail::prep
