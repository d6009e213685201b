// SPDX-License-Identifier: MIT
// What each request does, but for moving bytes and cancelling.
#include <ringfence/leakcheck/detail/simulated_listener.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <cerrno>
#include <poll.h>

namespace rf::leakcheck {
namespace {

constexpr std::uint8_t flags_known = IOSQE_BUFFER_SELECT | IOSQE_ASYNC;

bool names_descriptor(std::uint8_t opcode) {
    return opcode != IORING_OP_NOP && opcode != IORING_OP_TIMEOUT &&
           opcode != IORING_OP_ASYNC_CANCEL && opcode != IORING_OP_CLOSE;
}

template <class T>
T* pointer(std::uint64_t address) {
    return reinterpret_cast<T*>(address);
}

bool lacks_feature(const kernel_features& features, const detail::simulated_request& fresh) {
    if (fresh.selects_buffer() && !features.buf_ring) return true;
    if (!fresh.multishot()) return false;
    switch (fresh.sqe->opcode) {
    case IORING_OP_ACCEPT: return !features.multishot_accept;
    case IORING_OP_POLL_ADD: return !features.multishot_poll;
    case IORING_OP_RECVMSG: return !features.multishot_recvmsg;
    default: return !features.multishot_recv;
    }
}

}  // namespace

std::int32_t simulated_kernel::import(request& fresh) {
    const io_uring_sqe& sqe = *fresh.sqe;
    // Links, fixed files and skipped completions are not used by this library.
    if ((sqe.flags & ~flags_known) != 0 || lacks_feature(features_, fresh)) return -EINVAL;
    if (!detail::is_simulated(sqe.opcode)) return -EINVAL;
    if (sqe.opcode == IORING_OP_TIMEOUT) {
        const auto& after = *pointer<const __kernel_timespec>(sqe.addr);
        schedule(fresh, now_ + static_cast<instant>(after.tv_sec) * 1'000'000'000 + after.tv_nsec);
        return 0;
    }
    if (!names_descriptor(sqe.opcode)) return 0;
    if (detail::names_path(sqe.opcode)) return import_path(fresh);
    fresh.object = find(sqe.fd);
    if (fresh.object == nullptr) fresh.object = file_of_process(sqe.fd);
    if (fresh.object == nullptr) return -refuse_foreign(sqe);
    if (sqe.opcode == IORING_OP_CONNECT) {
        fresh.peer = {pointer<const sockaddr>(sqe.addr), static_cast<socklen_t>(sqe.off)};
        const bool known = fresh.peer.is_inet() || fresh.peer.family() == AF_UNIX;
        return known ? 0 : -EAFNOSUPPORT;
    }
    return import_memory(fresh);
}

std::int32_t simulated_kernel::import_memory(request& fresh) {
    const io_uring_sqe& sqe = *fresh.sqe;
    const auto import_array = [&](const iovec* parts, std::size_t count) {
        if (count > 1024) return -EINVAL;
        fresh.parts.assign(parts, parts + count);
        return 0;
    };
    switch (sqe.opcode) {
    case IORING_OP_RECV:
        if (fresh.multishot() && !fresh.selects_buffer()) return -EINVAL;
        [[fallthrough]];
    case IORING_OP_SEND:
    case IORING_OP_READ:
    case IORING_OP_WRITE:
        if (!fresh.selects_buffer()) fresh.parts = {{pointer<void>(sqe.addr), sqe.len}};
        return 0;
    case IORING_OP_READV:
    case IORING_OP_WRITEV: return import_array(pointer<const iovec>(sqe.addr), sqe.len);
    case IORING_OP_RECVMSG:
    case IORING_OP_SENDMSG:
        fresh.message = pointer<msghdr>(sqe.addr);
        return import_array(fresh.message->msg_iov, fresh.message->msg_iovlen);
    case IORING_OP_FSYNC:
    case IORING_OP_FALLOCATE:
    case IORING_OP_POLL_ADD:
    case IORING_OP_ACCEPT:
    case IORING_OP_SHUTDOWN: return 0;
    default: return -EINVAL;
    }
}

simulated_kernel::step simulated_kernel::attempt(request& which) {
    which.touch_memory();
    if (detail::names_path(which.sqe->opcode)) return finish(which, attempt_path(which));
    switch (which.sqe->opcode) {
    case IORING_OP_NOP: return finish(which, 0);
    case IORING_OP_TIMEOUT: return finish(which, -ETIME);
    case IORING_OP_ASYNC_CANCEL: attempt_cancel(which); return step::finished;
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case IORING_OP_READ:
    case IORING_OP_READV: return transfer_in(which);
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV: return transfer_out(which);
    case IORING_OP_ACCEPT: return attempt_accept(which);
    case IORING_OP_CONNECT: return attempt_connect(which);
    case IORING_OP_POLL_ADD: return attempt_poll(which);
    case IORING_OP_SHUTDOWN:
        return finish(which, which.object->shut_down(static_cast<int>(which.sqe->len)));
    case IORING_OP_CLOSE: return finish(which, close_any(which.sqe->fd));
    case IORING_OP_FSYNC: return finish(which, which.object->synchronise());
    case IORING_OP_FALLOCATE:
        return finish(which, which.object->allocate(static_cast<int>(which.sqe->len),
                                                    which.sqe->off, which.sqe->addr));
    default: return finish(which, -EINVAL);
    }
}

void simulated_kernel::park(request& which) {
    which.now = request::state::parked;
    which.object->parked.push_back(which.number);
}

simulated_kernel::step simulated_kernel::deliver(request& which, std::int32_t result,
                                                 std::uint32_t flags) {
    if (!which.multishot()) return finish(which, result, flags);
    // Its end is decided and will come as a completion of its own.
    const bool cancelled = which.now == request::state::ending;
    // Where the completion queue is full, the kernel ends a multishot request with its data.
    const bool full = completions_.size() >= options_.cq_entries;
    if (!cancelled && (full || choices_.chance(choice::end_multishot, options_.multishot_ends)))
        return finish(which, result, flags);
    post(which, result, flags | IORING_CQE_F_MORE);
    return step::again;
}

simulated_kernel::step simulated_kernel::attempt_accept(request& which) {
    const detail::io_result result = which.object->accept();
    if (!result.has_value()) return step::parked;
    if (*result < 0) {
        // A cancelled request ends with the cancel.
        if (which.now == request::state::ending) return step::parked;
        return finish(which, *result);
    }
    if (auto* peer = pointer<sockaddr>(which.sqe->addr); peer != nullptr) {
        auto* size = pointer<socklen_t>(which.sqe->addr2);
        find(*result)->remote.copy_to(peer, *size);
    }
    return deliver(which, *result, which.object->readable() != 0 ? IORING_CQE_F_SOCK_NONEMPTY : 0);
}

simulated_kernel::step simulated_kernel::attempt_connect(request& which) {
    const detail::io_result result = which.object->connect(which.peer);
    if (result.has_value()) return finish(which, *result);
    // A full backlog: the listener is what changes.
    if (swallows(which.peer)) return step::parked;
    if (detail::simulated_listener* listener = listener_for(which.peer); listener != nullptr)
        listener->parked.push_back(which.number);
    return step::parked;
}

simulated_kernel::step simulated_kernel::attempt_poll(request& which) {
    const std::uint32_t found =
        which.object->poll_mask() & (which.sqe->poll32_events | POLLERR | POLLHUP);
    if (found == 0) return step::parked;
    if (which.multishot()) {
        if (which.attempted && which.changes_seen == which.object->changes()) return step::parked;
        which.attempted = true;
        which.changes_seen = which.object->changes();
    }
    return deliver(which, static_cast<std::int32_t>(found), 0);
}

}  // namespace rf::leakcheck
