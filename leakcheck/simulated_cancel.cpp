// SPDX-License-Identifier: MIT
// What a cancel does to its target. Seen on 6.18, and measured in races there: a cancel has a
// completion of its own, in any order with its target's; 0 promises only that the target will end,
// not that it has had no effect; what came first wins.
#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <cerrno>
#include <poll.h>

namespace rf::leakcheck {
namespace {

/// Not to be cancelled, because the kernel carries them out when they are handed over.
bool at_once(std::uint8_t opcode) {
    return opcode == IORING_OP_NOP || opcode == IORING_OP_CLOSE || opcode == IORING_OP_ASYNC_CANCEL;
}

constexpr std::int32_t leaked_restart = -512;  // ERESTARTSYS, which should never be seen outside

}  // namespace

bool simulated_kernel::could_finish(const request& which) const {
    constexpr std::uint32_t failed = POLLERR | POLLHUP;
    switch (which.sqe->opcode) {
    case IORING_OP_RECV:
    case IORING_OP_RECVMSG:
    case IORING_OP_READ:
    case IORING_OP_READV:
    case IORING_OP_ACCEPT: return (which.object->poll_mask() & (POLLIN | failed)) != 0;
    case IORING_OP_SEND:
    case IORING_OP_SENDMSG:
    case IORING_OP_WRITE:
    case IORING_OP_WRITEV: return (which.object->poll_mask() & (POLLOUT | failed)) != 0;
    case IORING_OP_POLL_ADD:
        return (which.object->poll_mask() & (which.sqe->poll32_events | failed)) != 0;
    case IORING_OP_CONNECT: return !swallows(which.peer);
    case IORING_OP_TIMEOUT: return which.at <= now_;
    default: return false;
    }
}

void simulated_kernel::attempt_cancel(request& cancel) {
    const std::uint32_t flags = cancel.sqe->cancel_flags;
    const bool any = (flags & IORING_ASYNC_CANCEL_ANY) != 0;
    if ((flags & ~(IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL)) != 0 ||
        (flags != 0 && !features_.cancel_any)) {
        (void)finish(cancel, -EINVAL);
        return;
    }
    // Numbers, because what is done to one may end another. Only what was submitted before it: a
    // cancel finds nothing that comes later, though it may be carried out late here.
    std::vector<std::uint64_t> targets;
    for (const auto& [number, target] : pending_) {
        if (number >= cancel.number) break;
        const bool meant = any ? target->sqe->opcode != IORING_OP_ASYNC_CANCEL
                               : target->sqe->user_data == cancel.sqe->addr;
        if (!meant) continue;
        targets.push_back(number);
        if ((flags & IORING_ASYNC_CANCEL_ALL) == 0) break;
    }
    std::int32_t result = -ENOENT;
    std::int32_t count = 0;
    for (const std::uint64_t number : targets) {
        const auto found = pending_.find(number);
        if (found == pending_.end()) continue;
        result = cancel_one(*found->second);
        if (result == 0) ++count;
    }
    if ((flags & IORING_ASYNC_CANCEL_ALL) != 0) result = count;
    // Its own completion may come much later than its target's.
    if (result == 0 && targets.size() == 1 && !pending_.contains(targets.front()) &&
        choices_.pick(choice::cancel_order, 2) != 0) {
        end(cancel, result, now_ + delay());
        return;
    }
    (void)finish(cancel, result);
}

std::int32_t simulated_kernel::cancel_one(request& target) {
    switch (target.now) {
    case request::state::ending: return choices_.pick(choice::race, 2) == 0 ? -ENOENT : -EALREADY;
    case request::state::running: {
        // A worker has begun: it may be interrupted, or get to its end.
        static constexpr std::int32_t ends[] = {0, -EINTR, leaked_restart};
        const std::int32_t result = ends[choices_.pick(choice::interrupted, 3)];
        if (result != 0) {
            unschedule(target);
            end(target, result, now_ + delay());
        }
        return -EALREADY;
    }
    case request::state::due:
    case request::state::parked: break;
    }
    unschedule(target);
    if (at_once(target.sqe->opcode)) {
        target.now = request::state::due;
        (void)attempt(target);
        return -ENOENT;
    }
    const std::uint64_t number = target.number;
    if (!target.in_worker() && could_finish(target)) {
        const std::uint32_t how = choices_.pick(choice::race, 3);
        if (how != 0) {
            target.now = request::state::due;
            (void)attempt(target);
            if (!pending_.contains(number)) return how == 1 ? -ENOENT : -EALREADY;
        }
    }
    // The cancel wins; what was done before stays done.
    const std::int32_t result =
        target.done != 0 ? static_cast<std::int32_t>(target.done) : -ECANCELED;
    switch (choices_.pick(choice::cancel_order, 3)) {
    case 0: (void)finish(target, result); break;
    case 1: end(target, result, now_); break;
    default: end(target, result, now_ + delay()); break;
    }
    return 0;
}

}  // namespace rf::leakcheck
