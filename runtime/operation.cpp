// SPDX-License-Identifier: MIT
#include <ringfence/runtime/operation.hpp>

#include <ringfence/runtime/flight_recorder.hpp>

namespace rf {
namespace {

[[nodiscard]] std::uint64_t current_task() noexcept {
    return detail::slot.current != nullptr ? detail::slot.current->id : 0;
}

/// Of the innermost co_await of the running task.
[[nodiscard]] std::source_location innermost_line() noexcept {
    const detail::task_record* task = detail::slot.current;
    return task != nullptr && task->leaf != nullptr ? std::source_location(task->leaf->at)
                                                    : std::source_location();
}

}  // namespace

void operation::request_cancel() noexcept {
    if (outstanding_ == 0 || cancel_sent_) return;
    cancel_sent_ = true;
    loop& owner = *detail::slot.owner;
    // Before an entry is taken: the one before may have to make room for it.
    if (owner.watched() && owner.flight() != nullptr) [[unlikely]]
        owner.flight()->note_operation(flight_event::calls_back, this, 0, current_task(),
                                       innermost_line(), owner.cached_now());
    // Entries keep their order, so a cancel never overtakes its target even inside one batch.
    // By user_data alone: by descriptor it would match the file, whoever uses the number by then.
    io_uring_sqe& sqe = owner.kernel().next_sqe();
    sqe.opcode = IORING_OP_ASYNC_CANCEL;
    sqe.fd = -1;
    sqe.addr = reinterpret_cast<std::uint64_t>(this) |
               static_cast<std::uint64_t>(completion_tag::operation);
    sqe.user_data =
        reinterpret_cast<std::uint64_t>(this) | static_cast<std::uint64_t>(completion_tag::cancel);
    ++outstanding_;
    ++owner.counters().operations;
}

io_uring_sqe& operation::submit_watched(loop& owner) noexcept {
    owner.tell_of_opening(resource_kind::operation, reinterpret_cast<std::uint64_t>(this));
    flight_recorder* const flight = owner.flight();
    // The entry before may have to make room for this one.
    if (flight != nullptr) flight->settle();
    io_uring_sqe& sqe = take_entry(owner);
    if (flight != nullptr)
        flight->note_submission(this, sqe, current_task(), innermost_line(), owner.cached_now());
    return sqe;
}

void operation::tell_of_completion(loop& owner, const completion& cqe) const noexcept {
    const bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
    if (outstanding_ == 1 && !more)
        owner.tell_of_closing(resource_kind::operation, reinterpret_cast<std::uint64_t>(this));
    const bool of_cancel = (cqe.user_data & completion_tag_mask) != 0;
    if (flight_recorder* flight = owner.flight(); flight != nullptr && !of_cancel)
        flight->note_operation(more ? flight_event::completes_on : flight_event::completes, this,
                               cqe.res, 0, {}, owner.cached_now());
}

}  // namespace rf
