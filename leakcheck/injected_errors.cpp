// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/injected_errors.hpp>

#include <ringfence/leakcheck/detail/simulated_object.hpp>

#include <liburing.h>

#include <cerrno>

namespace rf::leakcheck::detail {
namespace {

// Of a connection: reset by the peer, given up on by keepalive or retransmission, or by a router.
constexpr int from_stream[] = {ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM};
constexpr int to_stream[] = {EPIPE, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOBUFS, ENOMEM};
// An ICMP answer to what was sent before comes with the next call, whichever it is.
constexpr int from_datagrams[] = {ECONNREFUSED, EHOSTUNREACH, ENOMEM};
constexpr int to_datagrams[] = {ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EMSGSIZE,
                                ENOBUFS,      EPERM,        ENOMEM};
constexpr int to_file[] = {ENOSPC, EDQUOT, EFBIG, EIO, ENOMEM};
constexpr int anything[] = {EIO, ENOMEM};
constexpr int to_pipe[] = {EPIPE, ENOMEM};

constexpr int accepting[] = {EMFILE, ENFILE, ECONNABORTED, ENOBUFS, ENOMEM, EPERM, EPROTO};
constexpr int connecting[] = {ECONNREFUSED,  ETIMEDOUT,  EHOSTUNREACH, ENETUNREACH,
                              EADDRNOTAVAIL, ECONNRESET, EACCES,       ENOMEM};
constexpr int shutting_down[] = {ENOTCONN};
constexpr int polling[] = {ENOMEM};
constexpr int synchronising[] = {EIO, ENOSPC, EDQUOT};
constexpr int allocating[] = {ENOSPC, EDQUOT, EFBIG, EIO, EOPNOTSUPP};
constexpr int opening[] = {EMFILE, ENFILE, ENOENT, EACCES, ENOSPC, EROFS, ENOMEM};
constexpr int naming[] = {ENOENT, EEXIST, EACCES, ENOSPC, EDQUOT, EROFS, EIO};
constexpr int looking_up[] = {ENOENT, EACCES, EIO, ENOMEM};

std::span<const int> reading(error_class of) {
    switch (of) {
    case error_class::stream_socket: return from_stream;
    case error_class::datagram_socket: return from_datagrams;
    case error_class::pipe:
    case error_class::file:
    case error_class::other: break;
    }
    return anything;
}

std::span<const int> writing(error_class of) {
    switch (of) {
    case error_class::stream_socket: return to_stream;
    case error_class::datagram_socket: return to_datagrams;
    case error_class::pipe: return to_pipe;
    case error_class::file: return to_file;
    case error_class::other: break;
    }
    return anything;
}

}  // namespace

error_class error_class_of(const simulated_object* object) noexcept {
    if (object == nullptr) return error_class::other;
    if (object->is_socket())
        return object->is_stream() ? error_class::stream_socket : error_class::datagram_socket;
    if (object->in_worker()) return error_class::file;
    return object->is_stream() ? error_class::pipe : error_class::other;
}

std::span<const int> errors_of(std::uint8_t opcode, error_class of) noexcept {
    switch (opcode) {
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case IORING_OP_READ:
    case IORING_OP_READV: return reading(of);
    case IORING_OP_SEND:
    case IORING_OP_SEND_ZC:
    case IORING_OP_SENDMSG:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV: return writing(of);
    case IORING_OP_ACCEPT: return accepting;
    case IORING_OP_CONNECT: return connecting;
    case IORING_OP_SHUTDOWN: return shutting_down;
    case IORING_OP_POLL_ADD: return polling;
    case IORING_OP_FSYNC: return synchronising;
    case IORING_OP_FALLOCATE: return allocating;
    case IORING_OP_OPENAT: return opening;
    case IORING_OP_MKDIRAT:
    case IORING_OP_LINKAT:
    case IORING_OP_SYMLINKAT:
    case IORING_OP_RENAMEAT:
    case IORING_OP_UNLINKAT: return naming;
    case IORING_OP_STATX: return looking_up;
    default: return {};
    }
}

}  // namespace rf::leakcheck::detail
