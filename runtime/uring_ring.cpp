// SPDX-License-Identifier: MIT
#include <ringfence/runtime/uring_ring.hpp>

#include <ringfence/runtime/uring_constants.hpp>

#include <algorithm>
#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>

namespace rf::detail {

int uring_ring::open(const uring_syscalls& syscalls, unsigned entries,
                     io_uring_params& params) noexcept {
    // The kernel makes the descriptor close-on-exec by itself.
    const int fd = syscalls.setup(syscalls.context, entries, &params);
    if (fd < 0) return fd;
    syscalls_ = &syscalls;
    fd_ = enter_fd_ = fd;
    features_ = params.features;
    enter_flags_ = 0;
    const int error = (params.features & IORING_FEAT_SINGLE_MMAP) != 0 ? map(params) : -EINVAL;
    if (error != 0) close();
    return error;
}

int uring_ring::map(const io_uring_params& params) noexcept {
    sq_entries_ = params.sq_entries;
    cq_entries_ = params.cq_entries;
    rings_bytes_ =
        std::max<std::size_t>(params.sq_off.array + params.sq_entries * sizeof(std::uint32_t),
                              params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
    sqes_bytes_ = params.sq_entries * sizeof(io_uring_sqe);

    const auto map_at = [this](std::size_t bytes, off_t offset) noexcept -> void* {
        void* at =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, offset);
        // A forked child that wrote here would write into the parent's queue.
        if (at != MAP_FAILED) ::madvise(at, bytes, MADV_DONTFORK);
        return at == MAP_FAILED ? nullptr : at;
    };
    rings_ = static_cast<std::byte*>(map_at(rings_bytes_, IORING_OFF_SQ_RING));
    if (rings_ == nullptr) return -errno;
    sqes_ = static_cast<io_uring_sqe*>(map_at(sqes_bytes_, IORING_OFF_SQES));
    if (sqes_ == nullptr) return -errno;

    const auto word = [this](std::uint32_t offset) noexcept {
        return reinterpret_cast<std::uint32_t*>(rings_ + offset);
    };
    sq_head_ = word(params.sq_off.head);
    sq_tail_ = word(params.sq_off.tail);
    sq_flags_ = word(params.sq_off.flags);
    cq_head_shared_ = word(params.cq_off.head);
    cq_tail_ = word(params.cq_off.tail);
    cq_mask_ = *word(params.cq_off.ring_mask);
    cqes_ = reinterpret_cast<io_uring_cqe*>(rings_ + params.cq_off.cqes);
    cq_head_ = *cq_head_shared_;

    // The kernel finds entries through an array of indices; ours are used in order, for ever.
    for (std::uint32_t i = 0; i < sq_entries_; ++i)
        word(params.sq_off.array)[i] = i;
    return 0;
}

void uring_ring::unmap() noexcept {
    if (sqes_ != nullptr) ::munmap(sqes_, sqes_bytes_);
    if (rings_ != nullptr) ::munmap(rings_, rings_bytes_);
    sqes_ = nullptr;
    rings_ = nullptr;
}

void uring_ring::close() noexcept {
    if (fd_ < 0) return;
    unmap();
    if (registered_) {
        // The thread's table of rings holds the ring too, and would until the thread ends.
        io_uring_rsrc_update update{};
        update.offset = static_cast<std::uint32_t>(enter_fd_);
        (void)register_op(IORING_UNREGISTER_RING_FDS, &update, 1);
        registered_ = false;
    }
    ::close(fd_);
    fd_ = enter_fd_ = -1;
}

void uring_ring::forget() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = enter_fd_ = -1;
    registered_ = false;
    sqes_ = nullptr;
    rings_ = nullptr;
}

bool uring_ring::register_fd() noexcept {
    io_uring_rsrc_update update{};
    update.offset = ~std::uint32_t{0};  // any place in the thread's table of 16
    update.data = static_cast<std::uint64_t>(fd_);
    if (register_op(IORING_REGISTER_RING_FDS, &update, 1) != 1) return false;
    enter_fd_ = static_cast<int>(update.offset);
    enter_flags_ |= IORING_ENTER_REGISTERED_RING;
    registered_ = true;
    return true;
}

void uring_ring::set_no_iowait() noexcept { enter_flags_ |= abi::enter_no_iowait; }

int uring_ring::enter(std::uint32_t to_submit, std::uint32_t min_complete, bool collect,
                      std::optional<std::chrono::nanoseconds> longest) const noexcept {
    constexpr std::int64_t second = 1'000'000'000;
    std::uint32_t flags = enter_flags_;
    if (collect) flags |= IORING_ENTER_GETEVENTS;
    if (!longest)
        return syscalls_->enter(syscalls_->context, enter_fd_, to_submit, min_complete, flags,
                                nullptr, 0);
    const __kernel_timespec time{.tv_sec = longest->count() / second,
                                 .tv_nsec = longest->count() % second};
    io_uring_getevents_arg argument{};
    argument.ts = reinterpret_cast<std::uintptr_t>(&time);
    return syscalls_->enter(syscalls_->context, enter_fd_, to_submit, min_complete,
                            flags | IORING_ENTER_EXT_ARG, &argument, sizeof argument);
}

}  // namespace rf::detail
