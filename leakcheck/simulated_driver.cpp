// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/simulated_driver.hpp>

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/loop.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <poll.h>

namespace rf::leakcheck {
namespace {

thread_local constinit simulated_driver* current_driver = nullptr;

// A program that never waits still sees time pass: from so many looks in a row, this much for each.
constexpr std::uint32_t polls_timeless = 64;
constexpr instant poll_cost = 100'000;

}  // namespace

simulated_driver* simulated_driver::current() noexcept { return current_driver; }

simulated_driver::simulated_driver(simulated_kernel& kernel)
    : kernel_(kernel), calls_(kernel), slots_(kernel.options().sq_entries), outer_(current_driver) {
    RF_ASSERT(std::has_single_bit(slots_.size()), "sq_entries is a power of two");
    const int error = bell_.open();
    RF_ASSERT(error == 0, "no descriptor is left for the doorbell of a simulated driver");
    sqes_ = slots_.data();
    capacity_ = static_cast<std::uint32_t>(slots_.size());
    mask_ = capacity_ - 1;
    features_ = kernel.features();
    current_driver = this;
}

simulated_driver::~simulated_driver() {
    current_driver = outer_;
    if (kernel_.pending_requests() != 0) std::fputs(kernel_.describe_pending().c_str(), stderr);
    RF_ASSERT(kernel_.pending_requests() == 0,
              "a simulated driver was destroyed while requests are pending: their memory would be "
              "written to later");
}

io_uring_sqe& simulated_driver::overflow_sqe() noexcept {
    // The kernel takes the batch, or has to be asked again.
    if (overflow_.empty() &&
        !kernel_.choices().chance(choice::short_submit, kernel_.options().short_submits)) {
        hand_over(true);
        return next_sqe();
    }
    capacity_ = 0;
    return overflow_.emplace_back();
}

void simulated_driver::hand_over(bool all) {
    const auto queued = static_cast<std::uint32_t>(tail_ - head_ + overflow_.size());
    if (queued == 0) return;
    ++enter_count_;
    std::uint32_t taken = queued;
    if (!all && kernel_.choices().chance(choice::short_submit, kernel_.options().short_submits))
        taken = kernel_.choices().pick(choice::short_submit, queued);
    for (; taken != 0 && head_ != tail_; --taken)
        kernel_.submit(sqes_[head_++ & mask_]);
    submitted_ = head_;
    const auto end = overflow_.begin() + static_cast<std::ptrdiff_t>(taken);
    for (auto entry = overflow_.begin(); entry != end; ++entry)
        kernel_.submit(*entry);
    overflow_.erase(overflow_.begin(), end);
    if (overflow_.empty()) capacity_ = mask_ + 1;
}

void simulated_driver::poll() noexcept {
    hand_over(false);
    if (++polls_ > polls_timeless) kernel_.advance_to(kernel_.time() + poll_cost);
    (void)kernel_.run_actions();
    kernel_.run_due();
}

void simulated_driver::wait(instant until) noexcept {
    polls_ = 0;
    hand_over(false);
    if (kernel_.run_actions()) until = kernel_.time();
    kernel_.run_due();
    if (kernel_.has_completions() || until <= kernel_.time()) return;
    while (has_unsubmitted())
        hand_over(false);
    if (before_jump && !kernel_.anything_due() && before_jump()) return;
    ++enter_count_;
    if (bell_.fall_asleep()) {
        sleep_until(until);
        bell_.wake_up();
        bell_.silence();
    }
}

void simulated_driver::sleep_until(instant until) {
    const loop* owner = loop::current();
    if (owner != nullptr && owner->posts_expected() != 0 && !kernel_.anything_due()) {
        if (sleep_really(static_cast<int>(kernel_.options().patience.count()))) return;
        // A watcher's timer is no reason to let time pass: no task waits for it.
        if (owner->account().timers == 0 && kernel_.next_event() == instant_never)
            return nothing_will_happen();
    }
    for (;;) {
        const instant next = std::min(kernel_.next_event(), until);
        if (next == instant_never) return nothing_will_happen();
        kernel_.advance_to(next);
        const bool acted = kernel_.run_actions();
        kernel_.run_due();
        if (acted || kernel_.has_completions() || kernel_.time() >= until) return;
    }
}

bool simulated_driver::sleep_really(int milliseconds) {
    pollfd bell{.fd = bell_.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&bell, 1, milliseconds) != 0;  // rung, or a signal
}

void simulated_driver::nothing_will_happen() {
    loop* owner = loop::current();
    if (owner == nullptr) return;
    if (owner->posts_expected() == 0) {
        if (owner->account().tasks_live == 0) {
            std::fprintf(stderr, "%s", kernel_.describe_pending().c_str());
            RF_ASSERT(false, "no task is left, and the requests above will never complete");
        }
        if (owner->on_quiescent != nullptr && owner->on_quiescent(*owner)) return;
    }
    (void)sleep_really(-1);  // a signal or another thread, or never
}

std::size_t simulated_driver::reap(std::span<completion> out) noexcept { return kernel_.reap(out); }

bool simulated_driver::has_deferred() const noexcept {
    return kernel_.overflowed() || kernel_.anything_due();
}

int simulated_driver::register_buffer_ring(io_uring_buf_ring* ring, std::uint32_t entries,
                                           std::uint16_t group) noexcept {
    if (!features_.buf_ring || !std::has_single_bit(entries) || entries > 32'768) return -EINVAL;
    const bool fresh =
        kernel_.groups_.try_emplace(group, detail::simulated_buffer_group{ring, entries}).second;
    return fresh ? 0 : -EEXIST;
}

void simulated_driver::unregister_buffer_ring(std::uint16_t group) noexcept {
    const auto erased = kernel_.groups_.erase(group);
    RF_ASSERT(erased == 1, "a buffer ring was unregistered that is not registered");
}

}  // namespace rf::leakcheck
