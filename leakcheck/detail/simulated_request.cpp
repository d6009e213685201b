// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_request.hpp>

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/opcode_name.hpp>
#include <ringfence/runtime/uring_constants.hpp>

#include <fmt/format.h>

namespace rf::leakcheck::detail {

bool simulated_request::multishot() const noexcept {
    switch (sqe->opcode) {
    case IORING_OP_ACCEPT: return (sqe->ioprio & IORING_ACCEPT_MULTISHOT) != 0;
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG: return (sqe->ioprio & IORING_RECV_MULTISHOT) != 0;
    case IORING_OP_POLL_ADD: return (sqe->len & IORING_POLL_ADD_MULTI) != 0;
    default: return false;
    }
}

bool simulated_request::in_worker() const noexcept {
    return sqe->opcode == IORING_OP_SHUTDOWN || names_path(sqe->opcode) ||
           (object != nullptr && object->in_worker());
}

void simulated_request::touch_memory() const noexcept {
    // What is sent may be constant: it is read only.
    const bool incoming = sqe->opcode == IORING_OP_RECV || sqe->opcode == IORING_OP_RECVMSG ||
                          sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READV;
    for (const iovec& part : parts) {
        if (part.iov_len == 0) continue;
        auto* const first = static_cast<volatile char*>(part.iov_base);
        for (volatile char* end : {first, first + part.iov_len - 1}) {
            const char was = *end;
            if (incoming) *end = was;
        }
    }
}

std::string simulated_request::describe() const {
    std::string text =
        fmt::format("{} user_data {:#x}", rf::detail::opcode_name(sqe->opcode), sqe->user_data);
    if (!path.empty()) text += fmt::format(" on {}", path);
    if (object != nullptr) text += fmt::format(" on descriptor {} ({})", sqe->fd, object->kind());
    switch (now) {
    case state::due: return text + fmt::format(", due at {} ns", at);
    case state::parked: return text + ", waits for its peer";
    case state::running: return text + fmt::format(", running until {} ns", at);
    case state::ending: return text + fmt::format(", ends with {} at {} ns", result, at);
    }
    return text;
}

bool names_path(std::uint8_t opcode) noexcept {
    switch (opcode) {
    case IORING_OP_OPENAT:
    case IORING_OP_STATX:
    case IORING_OP_RENAMEAT:
    case IORING_OP_UNLINKAT:
    case IORING_OP_MKDIRAT:
    case IORING_OP_LINKAT:
    case IORING_OP_SYMLINKAT: return true;
    default: return false;
    }
}

bool is_simulated(std::uint8_t opcode) noexcept {
    if (names_path(opcode)) return true;
    switch (opcode) {
    case IORING_OP_NOP:
    case IORING_OP_READ:
    case IORING_OP_READV:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV:
    case IORING_OP_FSYNC:
    case IORING_OP_FALLOCATE:
    case IORING_OP_POLL_ADD:
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_ACCEPT:
    case IORING_OP_CONNECT:
    case IORING_OP_SHUTDOWN:
    case IORING_OP_CLOSE:
    case IORING_OP_TIMEOUT:
    case IORING_OP_ASYNC_CANCEL: return true;
    default: return false;
    }
}

bool simulated_buffer_group::empty() const noexcept {
    return __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) == head;
}

simulated_buffer_group::buffer simulated_buffer_group::front() const noexcept {
    RF_ASSERT(!empty(), "the oldest buffer of an empty ring");
    const io_uring_buf& slot = rf::detail::abi::ring_buffers(ring)[head & (entries - 1)];
    return {.id = slot.bid,
            .memory = {.iov_base = reinterpret_cast<void*>(slot.addr), .iov_len = slot.len}};
}

}  // namespace rf::leakcheck::detail
