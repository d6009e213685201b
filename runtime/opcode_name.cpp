// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/opcode_name.hpp>

#include <ringfence/runtime/uring_constants.hpp>

namespace rf::detail {

const char* opcode_name(std::uint8_t opcode) noexcept {
    switch (opcode) {
    case IORING_OP_NOP: return "nop";
    case IORING_OP_READ: return "read";
    case IORING_OP_READV: return "readv";
    case IORING_OP_WRITE: return "write";
    case IORING_OP_WRITEV: return "writev";
    case IORING_OP_FSYNC: return "fsync";
    case IORING_OP_FALLOCATE: return "fallocate";
    case IORING_OP_SPLICE: return "splice";
    case IORING_OP_OPENAT: return "open";
    case IORING_OP_STATX: return "stat";
    case IORING_OP_RENAMEAT: return "rename";
    case IORING_OP_UNLINKAT: return "unlink";
    case IORING_OP_MKDIRAT: return "mkdir";
    case IORING_OP_SYMLINKAT: return "symlink";
    case IORING_OP_LINKAT: return "link";
    case IORING_OP_POLL_ADD: return "poll";
    case IORING_OP_RECV: return "recv";
    case IORING_OP_RECVMSG: return "recvmsg";
    case IORING_OP_SEND: return "send";
    case IORING_OP_SEND_ZC: return "send_zc";
    case IORING_OP_SENDMSG: return "sendmsg";
    case IORING_OP_ACCEPT: return "accept";
    case IORING_OP_CONNECT: return "connect";
    case IORING_OP_SHUTDOWN: return "shutdown";
    case IORING_OP_CLOSE: return "close";
    case IORING_OP_TIMEOUT: return "timeout";
    case IORING_OP_MSG_RING: return "msg_ring";
    case IORING_OP_ASYNC_CANCEL: return "cancel";
    default: return "request";
    }
}

}  // namespace rf::detail
