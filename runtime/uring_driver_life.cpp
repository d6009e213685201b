// SPDX-License-Identifier: MIT
// How the io_uring driver begins and ends.
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/uring_driver.hpp>
#include <ringfence/runtime/uring_probe.hpp>
#include <ringfence/runtime/uring_refusal.hpp>
#include <ringfence/runtime/uring_requests.hpp>
#include <ringfence/runtime/uring_setup.hpp>

#include <cstdlib>

namespace rf {
namespace detail {
namespace {

/// Tells threads apart without asking the system: no two that live have this at one address.
const void* this_thread_mark() noexcept {
    static thread_local const char mark = 0;
    return &mark;
}

}  // namespace

uring_driver::uring_driver() : owner_(this_thread_mark()), guard_(in_forked_child, this) {}

void uring_driver::in_forked_child(void* context) noexcept {
    auto& self = *static_cast<uring_driver*>(context);
    self.forked_ = true;
    self.capacity_ = 0;  // so that next_sqe() comes here and does not touch the ring
    self.ring_.forget();
    self.bell_.close();
}

void uring_driver::check_use() const noexcept {
    RF_ASSERT(!forked_, "a loop was used in a child made by fork(): it belongs to the parent; let "
                        "the child exec, or make a loop of its own");
    RF_ASSERT(
        owner_ == this_thread_mark(),
        "a loop was used from a thread that does not own it: a ring belongs to one thread for "
        "life; send the loop a message instead");
}

bool uring_driver::open(const uring_options& options, std::string_view mask, std::string& refusal) {
    const uring_syscalls& syscalls =
        options.syscalls != nullptr ? *options.syscalls : kernel_syscalls;
    kernel_features as_ring;
    if (!open_ring(ring_, options, syscalls, mask, as_ring, refusal)) return false;
    if (!probe_features_once(features_, refusal)) return false;
    features_.defer_taskrun = as_ring.defer_taskrun;
    features_.coop_taskrun = as_ring.coop_taskrun;
    features_.submit_all = as_ring.submit_all;
    (void)mask_features(features_, mask);  // open_ring() has seen to unknown names
    tune_ring(ring_, options, features_);
    if (const int error = bell_.open(); error != 0) {
        refusal = explain_setup_error(-error, syscalls);
        return false;
    }
    sqes_ = ring_.sqes();
    mask_ = ring_.sq_entries() - 1;
    capacity_ = ring_.sq_entries();
    return true;
}

uring_driver::~uring_driver() {
    if (!ring_.is_open()) return;  // refused, or the copy in a forked child
    check_use();
    see_off_own_requests();
    const std::uint64_t own = (doorbell_armed_ ? 1 : 0) + own_cancels_;
    RF_ASSERT(in_flight_ <= own,
              "a loop's driver was destroyed while the kernel still holds requests: their memory "
              "would be written to later");
    for (const std::uint16_t group : buffer_groups_) {
        io_uring_buf_reg reg{};
        reg.bgid = group;
        (void)ring_.register_op(IORING_UNREGISTER_PBUF_RING, &reg, 1);
    }
}

void uring_driver::see_off_own_requests() noexcept {
    if (doorbell_armed_) {
        ++own_cancels_;
        io_uring_sqe& sqe = next_sqe();
        prep::cancel(sqe, doorbell_poll);
        sqe.user_data = doorbell_cancel;
    }
    // Bounded, because the kernel may refuse for as long as it is short of memory. A poll that is
    // left behind writes nowhere. Not by wait(), which would arm the doorbell again.
    completion dropped[64];
    for (int round = 0; round < 100; ++round) {
        while (reap(dropped) != 0) {
        }
        if (!doorbell_armed_ && own_cancels_ == 0 && !has_unsubmitted()) return;
        if (!overflow_.empty()) take_in_overflow();
        (void)enter(tail_ - head_, 1, true, std::chrono::milliseconds(50));
    }
}

}  // namespace detail

std::unique_ptr<driver> make_uring_driver(const uring_options& options, std::string& refusal) {
    const char* mask = std::getenv("RF_DISABLE");
    std::unique_ptr<detail::uring_driver> made(new detail::uring_driver);
    if (!made->open(options, mask != nullptr ? mask : "", refusal)) return nullptr;
    return made;
}

}  // namespace rf
