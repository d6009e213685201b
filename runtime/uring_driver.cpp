// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/uring_driver.hpp>

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/uring_requests.hpp>

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

// One tick: the loop queues entries, then poll() or wait() enters the kernel once, which both hands
// them over and collects. Where the kernel stops early it is entered again, a bounded number of
// times: under DEFER_TASKRUN it finishes at most 20 held-back requests per call (observed on 6.18),
// whatever the completion queue could take.

namespace rf::detail {

void uring_driver::poll() noexcept {
    check_use();
    for (unsigned round = 0; round < rounds_max; ++round) {
        if (!overflow_.empty()) [[unlikely]]
            take_in_overflow();
        // Held-back completions are fetched when the loop has run what is there already: the
        // next batch is then submitted and fetched in one call, and its sockets are still warm.
        const bool held_back = ring_.has_deferred() && ring_.cq_ready() == 0;
        if (tail_ == head_ && !held_back) return;
        if (!enter(tail_ - head_, 0, true)) return;
    }
}

void uring_driver::wait(instant until) noexcept {
    check_use();
    if (!doorbell_armed_) [[unlikely]]
        arm_doorbell();
    if (!overflow_.empty()) [[unlikely]]
        take_in_overflow();
    instant left = until;
    if (until != instant_never) left = std::max<instant>(0, std::max<instant>(until, 0) - now());
    if (left > 0 && ring_.cq_ready() == 0 && overflow_.empty() && bell_.fall_asleep()) {
        std::optional<std::chrono::nanoseconds> longest;
        if (left != instant_never) longest.emplace(left);
        (void)enter(tail_ - head_, 1, true, longest);
        bell_.wake_up();
    }
    poll();  // what is left over: usually nothing, and then this costs no system call
    if (has_unsubmitted() && left > 0 && ring_.cq_ready() == 0) [[unlikely]]
        sit_out_refusal(left);
}

bool uring_driver::enter(std::uint32_t to_submit, std::uint32_t min_complete, bool collect,
                         std::optional<std::chrono::nanoseconds> longest) noexcept {
    ring_.publish(tail_);
    const int result = ring_.enter(to_submit, min_complete, collect, longest);
    ++enter_count_;
    const std::uint32_t taken = ring_.taken() - head_;
    head_ += taken;
    submitted_ = head_;
    submitted_count_ += taken;
    in_flight_ += taken;
    if (taken != 0) pauses_ = 0;
    return went_well(result);
}

std::size_t uring_driver::reap(std::span<completion> out) noexcept {
    check_use();
    const std::uint32_t ready = ring_.cq_ready();
    std::uint32_t taken = 0;
    std::size_t count = 0;
    for (; taken < ready && count < out.size(); ++taken) {
        const io_uring_cqe& cqe = ring_.cqe(taken);
        if ((cqe.flags & IORING_CQE_F_MORE) == 0) --in_flight_;
        if ((cqe.user_data & completion_tag_mask) ==
            static_cast<std::uint64_t>(completion_tag::driver)) [[unlikely]]
            own_completion(cqe);
        else
            out[count++] = {cqe.user_data, cqe.res, cqe.flags};
    }
    if (taken != 0) {
        completions_ += taken;
        ring_.consume(taken);
    }
    return count;
}

bool uring_driver::has_deferred() const noexcept {
    check_use();
    return ring_.has_deferred();
}

instant uring_driver::now() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<instant>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void uring_driver::arm_doorbell() noexcept {
    doorbell_armed_ = true;
    io_uring_sqe& sqe = next_sqe();
    if (features_.multishot_poll)
        prep::poll_multishot(sqe, bell_.fd(), POLLIN);
    else
        prep::poll_add(sqe, bell_.fd(), POLLIN);
    sqe.user_data = doorbell_poll;
}

void uring_driver::own_completion(const io_uring_cqe& cqe) noexcept {
    if (cqe.user_data != doorbell_poll) {
        --own_cancels_;
        return;
    }
    // A multishot poll reports every write by itself, so that the eventfd is never read.
    if ((cqe.flags & IORING_CQE_F_MORE) != 0) return;
    doorbell_armed_ = false;  // the next wait() arms it again
    bell_.silence();
    RF_ASSERT(cqe.res != -EBADF, "somebody closed the eventfd of a loop, a descriptor not theirs");
}

int uring_driver::register_buffer_ring(io_uring_buf_ring* ring, std::uint32_t entries,
                                       std::uint16_t group) noexcept {
    check_use();
    io_uring_buf_reg reg{};
    reg.ring_addr = prep::address(ring);
    reg.ring_entries = entries;
    reg.bgid = group;
    if (!features_.buf_ring) return -EINVAL;  // what a kernel without them says
    const int error = ring_.register_op(IORING_REGISTER_PBUF_RING, &reg, 1);
    if (error == 0) buffer_groups_.push_back(group);
    return error;
}

void uring_driver::unregister_buffer_ring(std::uint16_t group) noexcept {
    check_use();
    const auto erased = std::erase(buffer_groups_, group);
    RF_ASSERT(erased == 1, "a buffer ring was unregistered that is not registered");
    io_uring_buf_reg reg{};
    reg.bgid = group;
    (void)ring_.register_op(IORING_UNREGISTER_PBUF_RING, &reg, 1);
}

std::int64_t uring_driver::send_now(int fd, std::span<const std::byte> from) noexcept {
    check_use();
    ++enter_count_;
    const ssize_t sent = ::send(fd, from.data(), from.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent >= 0 ? sent : -errno;
}

int uring_driver::enter_file(int fd) noexcept {
    check_use();
    return files_.enter(fd);
}

void uring_driver::leave_file(int slot) noexcept {
    check_use();
    files_.leave(slot);
}

uring_statistics uring_driver::statistics() const noexcept {
    return {.enters = enter_count_,
            .submitted = submitted_count_,
            .completions = completions_,
            .in_flight = in_flight_,
            .refusals = refusals_,
            .kept_aside = overflow_.size() - overflow_taken_,
            .files = files_.count(),
            .sq_entries = ring_.sq_entries(),
            .cq_entries = ring_.cq_entries()};
}

}  // namespace rf::detail
