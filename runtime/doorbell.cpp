// SPDX-License-Identifier: MIT
#include <ringfence/runtime/doorbell.hpp>

#include <cerrno>
#include <sys/eventfd.h>
#include <unistd.h>

namespace rf::detail {

int doorbell::open() noexcept {
    fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd_ < 0 ? -errno : 0;
}

void doorbell::ring() noexcept {
    // Always an exchange, never a look first: a plain load could see an older "rung" that the loop
    // has answered already, and the message put in place before it would wait for the next ring.
    if (state_.exchange(state::rung, std::memory_order_acq_rel) != state::asleep) return;
    const int saved = errno;  // for signal handlers
    const std::uint64_t one = 1;
    // It can fail only when 2^64 - 2 rings were never read, and then the eventfd is readable.
    if (fd_ >= 0) [[maybe_unused]]
        const ssize_t written = ::write(fd_, &one, sizeof one);
    errno = saved;
}

bool doorbell::fall_asleep() noexcept {
    state expected = state::awake;
    if (state_.compare_exchange_strong(expected, state::asleep, std::memory_order_acq_rel))
        return true;
    state_.exchange(state::awake, std::memory_order_acq_rel);
    return false;
}

void doorbell::wake_up() noexcept { state_.exchange(state::awake, std::memory_order_acq_rel); }

void doorbell::silence() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t size = ::read(fd_, &count, sizeof count);
}

void doorbell::close() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

}  // namespace rf::detail
