// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for the io_uring driver only

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/uring_syscalls.hpp>

#include <liburing.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace rf::detail {

/// One io_uring instance: its descriptor, its mappings, and the words in them that the kernel and
/// we take turns to write. No policy; the driver and the feature probe are the two users.
///
/// The mappings are not inherited by a forked child, in which nothing but forget() may be called.
class uring_ring {
public:
    uring_ring() noexcept = default;
    uring_ring(const uring_ring&) = delete;
    uring_ring& operator=(const uring_ring&) = delete;
    ~uring_ring() { close(); }

    /// Makes the ring that `params` describes and maps it. 0 or a negative errno, after which
    /// another attempt may be made.
    [[nodiscard]] int open(const uring_syscalls& syscalls, unsigned entries,
                           io_uring_params& params) noexcept;

    /// Gives the ring back. The kernel tears it down later, by itself: whoever cares for the memory
    /// of a request has waited for its completion first.
    void close() noexcept;

    /// Closes the descriptor and touches nothing else: a copy of it in a forked child would keep
    /// the parent's ring alive after the parent has closed it.
    void forget() noexcept;

    [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] std::uint32_t features() const noexcept { return features_; }
    [[nodiscard]] io_uring_sqe* sqes() const noexcept { return sqes_; }
    [[nodiscard]] std::uint32_t sq_entries() const noexcept { return sq_entries_; }
    [[nodiscard]] std::uint32_t cq_entries() const noexcept { return cq_entries_; }

    /// Enters by index from now on, which spares the kernel looking up the descriptor. Returns
    /// whether that works; the ring goes on either way.
    bool register_fd() noexcept;

    /// Asks the kernel not to count our waiting as waiting for a disk (6.15).
    void set_no_iowait() noexcept;

    [[nodiscard]] int register_op(unsigned opcode, void* argument, unsigned count) const noexcept {
        return syscalls_->register_op(syscalls_->context, fd_, opcode, argument, count);
    }

    /// Shows the kernel the entries below `tail`.
    void publish(std::uint32_t tail) noexcept {
        std::atomic_ref(*sq_tail_).store(tail, std::memory_order_release);
    }

    /// The first entry that the kernel has not taken. It tells how many were, whatever
    /// io_uring_enter returned: an error hides the count, and a count hides the error.
    [[nodiscard]] std::uint32_t taken() const noexcept {
        return std::atomic_ref(*sq_head_).load(std::memory_order_acquire);
    }

    /// Whether completions are held back until the kernel is entered with IORING_ENTER_GETEVENTS.
    [[nodiscard]] bool has_deferred() const noexcept {
        return (std::atomic_ref(*sq_flags_).load(std::memory_order_relaxed) &
                (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
    }

    [[nodiscard]] std::uint32_t cq_ready() const noexcept {
        return std::atomic_ref(*cq_tail_).load(std::memory_order_acquire) - cq_head_;
    }

    /// The completion at `offset` of the cq_ready() that are there.
    [[nodiscard]] const io_uring_cqe& cqe(std::uint32_t offset) const noexcept {
        return cqes_[(cq_head_ + offset) & cq_mask_];
    }

    /// Gives the slots of the oldest `count` completions back to the kernel.
    void consume(std::uint32_t count) noexcept {
        cq_head_ += count;
        std::atomic_ref(*cq_head_shared_).store(cq_head_, std::memory_order_release);
    }

    /// Enters the kernel once: hands over `to_submit` entries and, if `collect`, lets it finish
    /// what is held back and waits until `min_complete` completions are there or `longest` has
    /// passed. Returns what the kernel says.
    [[nodiscard]] int enter(std::uint32_t to_submit, std::uint32_t min_complete, bool collect,
                            std::optional<std::chrono::nanoseconds> longest = {}) const noexcept;

private:
    [[nodiscard]] int map(const io_uring_params& params) noexcept;
    void unmap() noexcept;

    const uring_syscalls* syscalls_ = nullptr;
    int fd_ = -1;
    int enter_fd_ = -1;              // fd_, or its index once registered
    std::uint32_t enter_flags_ = 0;  // on every entry
    std::uint32_t features_ = 0;
    bool registered_ = false;

    std::uint32_t* sq_head_ = nullptr;
    std::uint32_t* sq_tail_ = nullptr;
    std::uint32_t* sq_flags_ = nullptr;
    std::uint32_t* cq_head_shared_ = nullptr;
    std::uint32_t* cq_tail_ = nullptr;
    io_uring_sqe* sqes_ = nullptr;
    io_uring_cqe* cqes_ = nullptr;
    std::uint32_t cq_head_ = 0;  // ours; *cq_head_shared_ follows it once per batch
    std::uint32_t cq_mask_ = 0;
    std::uint32_t sq_entries_ = 0;
    std::uint32_t cq_entries_ = 0;

    std::byte* rings_ = nullptr;  // both queues, in one mapping since 5.4
    std::size_t rings_bytes_ = 0;
    std::size_t sqes_bytes_ = 0;
};

}  // namespace rf::detail
