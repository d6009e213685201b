// SPDX-License-Identifier: MIT
// What the driver does when the kernel takes less than it is offered.
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/uring_driver.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace rf::detail {
namespace {

constexpr instant pause_first = 1'000'000;  // 1 ms
constexpr std::uint32_t doublings_max = 4;  // to 16 ms
constexpr std::uint32_t pauses_told = 64;   // after so many, about a second, the user hears of it

}  // namespace

bool uring_driver::went_well(int result) noexcept {
    if (result >= 0) return true;
    switch (-result) {
    case ETIME:  // the wait's own end
    case EINTR:  // a signal; what was taken before it has been counted
        return true;
    case EBUSY:   // completions must be reaped first
    case EAGAIN:  // no memory for a request
    case ENOMEM: ++refusals_; return false;
    default: break;
    }
    RF_ASSERT(result != -EBADR,
              "the kernel ran out of memory and dropped a completion (EBADR): some operation would "
              "never end and its memory never be safe, so the process cannot go on; give it memory "
              "or ask for a larger completion queue");
    RF_ASSERT(result != -EEXIST,
              "a loop was used from a thread that does not own it (EEXIST): a ring belongs to one "
              "thread for life; send the loop a message instead");
    RF_ASSERT(result != -EBADF && result != -ENXIO && result != -EOPNOTSUPP,
              "somebody closed the descriptor of a loop's io_uring, which was not theirs to close");
    RF_ASSERT(result >= 0,
              fmt::format("io_uring_enter failed in a way that no request can cause: {}",
                          std::strerror(-result)));
    return false;
}

void uring_driver::sit_out_refusal(instant left) noexcept {
    if (++pauses_ % pauses_told == 0)
        std::fputs(
            "ringfence: the kernel has taken no new request for a second, for want of memory; "
            "work is waiting, nothing is lost\n",
            stderr);
    // Nobody tells us when the kernel has memory again. The doorbell's own poll may be among what
    // was refused, so that sleeping longer could miss a ring.
    const instant pause = pause_first << std::min(pauses_ - 1, doublings_max);
    if (!bell_.fall_asleep()) return;
    (void)enter(0, 1, true, std::chrono::nanoseconds(std::min(left, pause)));
    bell_.wake_up();
}

io_uring_sqe& uring_driver::overflow_sqe() noexcept {
    check_use();
    if (overflow_.empty()) {
        // Only hand over: what is collected here would have to be kept while user code runs.
        for (unsigned round = 0; round < rounds_max && full(); ++round)
            if (!enter(tail_ - head_, 0, false)) break;
        if (!full()) return next_sqe();
    }
    // Behind those kept aside already, even if the ring has room by now: order is kept.
    capacity_ = 0;
    return overflow_.emplace_back();
}

void uring_driver::take_in_overflow() noexcept {
    while (overflow_taken_ != overflow_.size() && !full())
        sqes_[tail_++ & mask_] = overflow_[overflow_taken_++];
    if (overflow_taken_ == overflow_.size()) {
        overflow_.clear();
        overflow_taken_ = 0;
        capacity_ = mask_ + 1;
    } else if (overflow_taken_ > overflow_.size() / 2) {
        overflow_.erase(overflow_.begin(),
                        overflow_.begin() + static_cast<std::ptrdiff_t>(overflow_taken_));
        overflow_taken_ = 0;
    }
}

}  // namespace rf::detail
