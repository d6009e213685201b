// SPDX-License-Identifier: MIT
#include <ringfence/runtime/operation.hpp>

namespace rf {

void operation::request_cancel() noexcept {
    if (outstanding_ == 0 || cancel_sent_) return;
    cancel_sent_ = true;
    loop& owner = *detail::slot.owner;
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

}  // namespace rf
