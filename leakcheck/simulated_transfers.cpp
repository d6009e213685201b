// SPDX-License-Identifier: MIT
// Requests that move bytes.
#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <algorithm>
#include <cerrno>

namespace rf::leakcheck {
namespace {

bool on_socket_only(std::uint8_t opcode) {
    return opcode == IORING_OP_RECV || opcode == IORING_OP_RECVMSG || opcode == IORING_OP_SEND ||
           opcode == IORING_OP_SENDMSG;
}

bool has_flag(const detail::simulated_request& which, int flag) {
    return on_socket_only(which.sqe->opcode) &&
           (which.sqe->msg_flags & static_cast<std::uint32_t>(flag)) != 0;
}

std::size_t size_of(const detail::simulated_request& which) {
    return detail::io_span{.parts = which.parts}.size();
}

}  // namespace

std::size_t simulated_kernel::shortened(std::size_t size) {
    if (size <= 1 || !choices_.chance(choice::short_transfer, options_.short_transfers))
        return SIZE_MAX;
    return choices_.pick(choice::short_transfer, 2) == 0 ? size / 2 : 1;
}

simulated_kernel::step simulated_kernel::transfer_in(request& which) {
    object& from = *which.object;
    if (on_socket_only(which.sqe->opcode) && !from.is_socket()) return finish(which, -ENOTSOCK);

    std::byte scratch{};  // asks for an end or an error where there is nothing to read
    iovec selected{&scratch, 1};
    std::uint32_t flags = 0;
    detail::io_span to{.parts = which.parts, .done = which.done};
    detail::simulated_buffer_group* group = nullptr;
    if (which.selects_buffer()) {
        const auto found = groups_.find(which.sqe->buf_group);
        if (found != groups_.end()) group = &found->second;
        const bool empty = group == nullptr || group->empty();
        // A buffer is chosen before the socket is looked at: without one, the first attempt fails
        // even where there is nothing to receive, unless it was told to poll first (6.18).
        const bool polls = (which.sqe->ioprio & IORING_RECVSEND_POLL_FIRST) != 0;
        const bool first = !which.attempted && (!polls || which.multishot());
        which.attempted = true;
        if (empty && (first || from.readable() != 0)) {
            if (which.now == request::state::ending) return step::parked;
            return finish(which, -ENOBUFS);
        }
        if (!empty && from.readable() != 0) {
            const auto buffer = group->front();
            selected = buffer.memory;
            if (which.sqe->len != 0)
                selected.iov_len = std::min<std::size_t>(selected.iov_len, which.sqe->len);
            flags = IORING_CQE_F_BUFFER | static_cast<std::uint32_t>(buffer.id)
                                              << IORING_CQE_BUFFER_SHIFT;
        }
        to.parts = {&selected, 1};
    }

    const bool whole = has_flag(which, MSG_WAITALL) && group == nullptr;
    if (from.is_stream() && !whole) to.limit = shortened(std::min(to.size(), from.readable()));
    const detail::io_result result = from.read(to, which.sqe->off);
    if (which.now == request::state::ending && result.value_or(0) <= 0) return step::parked;
    return settle_in(which, result, whole, flags);
}

simulated_kernel::step simulated_kernel::settle_in(request& which, detail::io_result result,
                                                   bool whole, std::uint32_t flags) {
    if (!result.has_value()) {
        if (!has_flag(which, MSG_DONTWAIT)) return step::parked;
        result = which.done != 0 ? static_cast<std::int32_t>(which.done) : -EAGAIN;
        return finish(which, *result);
    }
    if (*result <= 0 || whole) {
        if (*result > 0) which.done += static_cast<std::size_t>(*result);
        if (*result > 0 && which.done < size_of(which)) return step::again;
        if (which.message != nullptr) {
            which.message->msg_namelen = 0;
            which.message->msg_controllen = 0;
            which.message->msg_flags = 0;
        }
        return finish(which, which.done != 0 ? static_cast<std::int32_t>(which.done) : *result);
    }
    if ((flags & IORING_CQE_F_BUFFER) != 0) ++groups_.at(which.sqe->buf_group).head;
    if (which.object->is_socket() && which.object->readable() != 0)
        flags |= IORING_CQE_F_SOCK_NONEMPTY;
    if (which.message != nullptr) {
        which.message->msg_namelen = 0;
        which.message->msg_controllen = 0;
        which.message->msg_flags = 0;
    }
    return deliver(which, *result, flags);
}

simulated_kernel::step simulated_kernel::transfer_out(request& which) {
    object& to = *which.object;
    if (on_socket_only(which.sqe->opcode) && !to.is_socket()) return finish(which, -ENOTSOCK);
    const bool whole = has_flag(which, MSG_WAITALL);
    detail::io_span from{.parts = which.parts, .done = which.done};
    if (to.is_stream() && !whole) from.limit = shortened(from.size());
    const detail::io_result result = to.write(from, which.sqe->off);
    if (!result.has_value()) {
        if (!has_flag(which, MSG_DONTWAIT)) return step::parked;
        return finish(which, which.done != 0 ? static_cast<std::int32_t>(which.done) : -EAGAIN);
    }
    if (!whole) return finish(which, *result);
    if (*result > 0) which.done += static_cast<std::size_t>(*result);
    if (*result > 0 && which.done < size_of(which)) return step::again;
    return finish(which, which.done != 0 ? static_cast<std::int32_t>(which.done) : *result);
}

}  // namespace rf::leakcheck
