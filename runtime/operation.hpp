// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/loop.hpp>

#include <cstdint>

namespace rf {

/// A request that the kernel holds, and the memory that must outlive it.
///
/// It lives in the awaiting frame (single-shot) or in the object it serves (a socket's multishot
/// receive). It is outstanding from submit() until the completion without IORING_CQE_F_MORE has
/// come and the completion of the cancel aimed at it, if there was one. Only then may its memory
/// go, or the operation be submitted again: a cancel that arrives late would otherwise hit the next
/// activation at the same address. The destructor aborts, in every build, if that rule is broken.
///
/// Threads: one loop. Cost: no allocation; one virtual call per completion.
class operation {
public:
    /// Only while it is not outstanding.
    operation(operation&& other) noexcept {
        RF_ASSERT(other.outstanding_ == 0, "an operation was moved while the kernel holds it");
    }
    operation& operator=(const operation&) = delete;

    /// Whether the kernel still holds the request or a cancel of it.
    [[nodiscard]] bool outstanding() const noexcept { return outstanding_ != 0; }

    /// Whether a cancel has been sent for the current activation.
    [[nodiscard]] bool cancel_sent() const noexcept { return cancel_sent_; }

    /// Asks the kernel to end the request. Idempotent; nothing if it is not outstanding. The answer
    /// is its terminal completion: what it did until then counts.
    void request_cancel() noexcept;

    /// Whether `res` says that a cancel ended the request: ECANCELED, or what the kernel lets
    /// through instead (EINTR, and ERESTARTSYS and its kin from worker threads, seen on 6.18).
    [[nodiscard]] static bool is_cancelled(std::int32_t res) noexcept {
        return res == -125 || res == -4 || (res <= -512 && res >= -516);
    }

    /// Fetches the memory that dispatch() of this completion will touch.
    static void prefetch(const completion& cqe) noexcept {
        const std::uint64_t target = cqe.user_data & ~completion_tag_mask;  // may be no address
        __builtin_prefetch(reinterpret_cast<const void*>(target), 1);
        __builtin_prefetch(reinterpret_cast<const void*>(target + 64), 1);
    }

    /// Hands a completion to the operation it belongs to.
    static void dispatch(loop& owner, const completion& cqe) noexcept;

protected:
    operation() noexcept = default;
    ~operation() {
        RF_ASSERT(outstanding_ == 0,
                  "an operation was destroyed while the kernel still holds it; its memory would be "
                  "written to later");
    }

    /// A submission entry that carries this operation's address, to be filled with
    /// the request before anything else is submitted.
    [[nodiscard]] io_uring_sqe& submit() noexcept {
        RF_ASSERT(outstanding_ == 0, "an operation was submitted while it is still outstanding");
        loop& owner = *detail::slot.owner;
        if (owner.watched()) [[unlikely]]
            return submit_watched(owner);
        return take_entry(owner);
    }

    /// One completion of the request. `flags` has IORING_CQE_F_MORE if more will come.
    virtual void on_completion(std::int32_t res, std::uint32_t flags) noexcept = 0;

    /// The kernel has let go: nothing refers to the operation any more. Called last, once per
    /// activation; may free the operation or submit it again.
    virtual void on_retired() noexcept = 0;

private:
    [[nodiscard]] io_uring_sqe& take_entry(loop& owner) noexcept {
        io_uring_sqe& sqe = owner.kernel().next_sqe();
        outstanding_ = 1;
        cancel_sent_ = false;
        ++owner.counters().operations;
        ++owner.counters().operations_started;
        sqe.user_data = reinterpret_cast<std::uint64_t>(this) |
                        static_cast<std::uint64_t>(completion_tag::operation);
        return sqe;
    }
    [[nodiscard]] io_uring_sqe& submit_watched(loop& owner) noexcept;
    void tell_of_completion(loop& owner, const completion& cqe) const noexcept;

    std::uint16_t outstanding_ = 0;  // the request, and a cancel of it
    bool cancel_sent_ = false;
};

// Implementation

inline void operation::dispatch(loop& owner, const completion& cqe) noexcept {
    auto* target = reinterpret_cast<operation*>(cqe.user_data & ~completion_tag_mask);
    RF_ASSERT(target != nullptr, "the kernel reported the completion of an unknown request");
    const auto tag = static_cast<completion_tag>(cqe.user_data & completion_tag_mask);
    if (owner.watched()) [[unlikely]]
        target->tell_of_completion(owner, cqe);
    if (tag == completion_tag::operation) {
        target->on_completion(cqe.res, cqe.flags);
        if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
    }
    // The result of a cancel says nothing that the target's own completion does not say better,
    // and the two come in any order: it only counts.
    --owner.counters().operations;
    RF_ASSERT(target->outstanding_ != 0, "an operation completed more often than it was submitted");
    if (--target->outstanding_ == 0) target->on_retired();
}

}  // namespace rf
