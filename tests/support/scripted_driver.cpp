// SPDX-License-Identifier: MIT
#include "tests/support/scripted_driver.hpp"
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <unistd.h>

namespace rf::test {
namespace {

constexpr std::size_t slots_count = 64;

}  // namespace

kernel_features all_features() {
    kernel_features all;
    all.defer_taskrun = all.coop_taskrun = all.submit_all = true;
    all.multishot_accept = all.multishot_recv = all.multishot_recvmsg = all.multishot_poll = true;
    all.buf_ring = all.cancel_any = all.no_iowait = all.registered_ring = all.iowq_limit = true;
    all.fixed_files = all.send_zc = all.msg_ring = true;
    return all;
}

scripted_driver::scripted_driver(std::string_view disable) : slots_(slots_count) {
    sqes_ = slots_.data();
    capacity_ = slots_count;
    mask_ = capacity_ - 1;
    features_ = all_features();
    const std::string_view unknown = mask_features(features_, disable);
    RF_ASSERT(unknown.empty(), "a scripted driver is to disable what is no feature");
}

scripted_driver::~scripted_driver() {
    CHECK_MESSAGE(posted_.empty(), "a scripted completion came to nobody");
}

scripted_driver& scripted_driver::here() noexcept {
    return static_cast<scripted_driver&>(loop::here().kernel());
}

std::optional<scripted_driver::request> scripted_driver::take(std::uint8_t opcode) {
    const auto found = std::ranges::find(requests, opcode, &request::opcode);
    if (found == requests.end()) return std::nullopt;
    const request taken = *found;
    requests.erase(found);
    return taken;
}

void scripted_driver::complete(std::uint64_t user_data, std::int32_t res, std::uint32_t flags) {
    posted_.push_back({user_data, res, flags});
}

std::uint32_t scripted_driver::fill_buffer(std::string_view data) {
    RF_ASSERT(ring_ != nullptr, "there is no buffer ring");
    const auto tail = __atomic_load_n(&ring_->tail, __ATOMIC_ACQUIRE);
    RF_ASSERT(tail != ring_head_, "the buffer ring is empty");
    const io_uring_buf& buffer = ring_->bufs[ring_head_++ & (ring_entries_ - 1)];
    RF_ASSERT(data.size() <= buffer.len, "that does not fit into a buffer");
    std::memcpy(reinterpret_cast<void*>(buffer.addr), data.data(), data.size());
    return IORING_CQE_F_BUFFER | (std::uint32_t{buffer.bid} << IORING_CQE_BUFFER_SHIFT);
}

void scripted_driver::hand_over() noexcept {
    ++enter_count_;
    for (; head_ != tail_; ++head_) {
        const io_uring_sqe& sqe = slots_[head_ & mask_];
        if (sqe.opcode == IORING_OP_CLOSE) {
            closed.push_back(sqe.fd);
            complete(sqe.user_data, ::close(sqe.fd) == 0 ? 0 : -errno);
        } else {
            requests.push_back({sqe.user_data, sqe.addr, sqe.opcode, sqe.flags, sqe.ioprio});
        }
    }
    submitted_ = head_;
}

io_uring_sqe& scripted_driver::overflow_sqe() noexcept {
    hand_over();
    return next_sqe();
}

void scripted_driver::poll() noexcept { hand_over(); }

void scripted_driver::wait(instant until) noexcept {
    hand_over();
    if (!posted_.empty()) return;
    RF_ASSERT(until != instant_never, "the script has no answer, and nothing else will happen");
    now_ = std::max(now_, until);
}

std::size_t scripted_driver::reap(std::span<completion> out) noexcept {
    const std::size_t count = std::min(out.size(), posted_.size());
    const auto end = posted_.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(posted_.begin(), end, out.begin());
    posted_.erase(posted_.begin(), end);
    return count;
}

int scripted_driver::register_buffer_ring(io_uring_buf_ring* ring, std::uint32_t entries,
                                          std::uint16_t) noexcept {
    if (!features_.buf_ring) return -EINVAL;
    ring_ = ring;
    ring_entries_ = entries;
    ring_head_ = 0;
    return 0;
}

void scripted_driver::unregister_buffer_ring(std::uint16_t) noexcept { ring_ = nullptr; }

task<> turns() {
    for (int i = 0; i < 4; ++i)
        co_await sleep_for(std::chrono::microseconds(1));
}

}  // namespace rf::test
