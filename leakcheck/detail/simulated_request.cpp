// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_request.hpp>

#include <ringfence/runtime/assert.hpp>
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
    return sqe->opcode == IORING_OP_SHUTDOWN || (object != nullptr && object->in_worker());
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
    std::string text = fmt::format("{} user_data {:#x}", opcode_name(sqe->opcode), sqe->user_data);
    if (object != nullptr) text += fmt::format(" on descriptor {} ({})", sqe->fd, object->kind());
    switch (now) {
    case state::due: return text + fmt::format(", due at {} ns", at);
    case state::parked: return text + ", waits for its peer";
    case state::running: return text + fmt::format(", running until {} ns", at);
    case state::ending: return text + fmt::format(", ends with {} at {} ns", result, at);
    }
    return text;
}

namespace {
constexpr const char* unknown = "unknown request";
}

bool is_simulated(std::uint8_t opcode) noexcept { return opcode_name(opcode) != unknown; }

const char* opcode_name(std::uint8_t opcode) noexcept {
    switch (opcode) {
    case IORING_OP_NOP: return "nop";
    case IORING_OP_READ: return "read";
    case IORING_OP_READV: return "readv";
    case IORING_OP_WRITE: return "write";
    case IORING_OP_WRITEV: return "writev";
    case IORING_OP_FSYNC: return "fsync";
    case IORING_OP_FALLOCATE: return "fallocate";
    case IORING_OP_POLL_ADD: return "poll";
    case IORING_OP_RECV: return "recv";
    case IORING_OP_RECVMSG: return "recvmsg";
    case IORING_OP_SEND: return "send";
    case IORING_OP_SENDMSG: return "sendmsg";
    case IORING_OP_ACCEPT: return "accept";
    case IORING_OP_CONNECT: return "connect";
    case IORING_OP_SHUTDOWN: return "shutdown";
    case IORING_OP_CLOSE: return "close";
    case IORING_OP_TIMEOUT: return "timeout";
    case IORING_OP_ASYNC_CANCEL: return "cancel";
    default: return unknown;
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
