// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/io_uring.hpp>
#include <ringfence/runtime/features.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace rf {

/// A point on the loop's monotonic clock, in nanoseconds. The origin is the driver's own.
using instant = std::int64_t;

/// The instant that never comes.
inline constexpr instant instant_never = std::numeric_limits<instant>::max();

/// What the kernel, or its stand-in, says of one submitted request.
struct completion {
    std::uint64_t user_data = 0;
    std::int32_t res = 0;
    std::uint32_t flags = 0;  // IORING_CQE_F_*
};

class system_calls;

/// The two low bits of user_data say whose completion it is; the rest is the operation's address.
enum class completion_tag : std::uint64_t {
    operation = 0,  // the request itself
    cancel = 1,     // a cancel aimed at the operation
    driver = 2,     // the driver's own requests; reap() never returns these
};
inline constexpr std::uint64_t completion_tag_mask = 3;

/// The narrow seam between a loop and the kernel: carries requests down and completions up.
///
/// Requests are described by io_uring submission entries, whoever carries them out. The io_uring
/// driver hands them to the kernel; the simulated one (leakcheck/simulated_driver.hpp) acts them
/// out in memory and in virtual time.
///
/// Threads: belongs to the thread that made it, except wake().
/// Errors: nothing here fails. What the kernel refuses for a while (EBUSY, EAGAIN, a full queue)
///   is kept and offered again; what it can never do was refused when the driver was made.
/// Cost: next_sqe() is inline and touches only memory; the rest is called once per tick.
class driver {
public:
    driver() = default;
    driver(const driver&) = delete;
    driver& operator=(const driver&) = delete;
    virtual ~driver() = default;

    /// A zeroed 64-byte submission entry, to be filled before the next call of any member.
    /// Never fails: when the ring is full it is flushed, and when the kernel will take no more the
    /// entry is kept aside and goes first the next time. The order of entries is kept.
    [[nodiscard]] io_uring_sqe& next_sqe() noexcept {
        if (tail_ - head_ < capacity_) [[likely]] {
            io_uring_sqe& sqe = sqes_[tail_++ & mask_];
            std::memset(&sqe, 0, sizeof(io_uring_sqe));
            return sqe;
        }
        return overflow_sqe();
    }

    /// Whether entries wait to be handed over.
    [[nodiscard]] bool has_unsubmitted() const noexcept {
        return tail_ != submitted_ || !overflow_.empty();
    }

    /// Hands over what is queued and collects what is finished, without sleeping.
    virtual void poll() noexcept = 0;

    /// The same, and sleeps until at least one completion is there, `until` has come, or wake().
    /// Returns early on a signal. Never sleeps when a completion is already there.
    virtual void wait(instant until) noexcept = 0;

    /// Takes up to `out.size()` completions in the order in which they came. Returns how many.
    [[nodiscard]] virtual std::size_t reap(std::span<completion> out) noexcept = 0;

    /// Whether poll() would find completions that the kernel holds back until it is entered
    /// (task work under DEFER_TASKRUN, a completion queue that overflowed). Reads memory only.
    [[nodiscard]] virtual bool has_deferred() const noexcept = 0;

    /// Ends a wait() of this driver, now or the next one. Any thread, and signal handlers.
    /// Put the message where the loop looks for it, then call this; the loop looks after every
    /// wait() and before the next. Then no message is missed, and a loop that is awake costs the
    /// sender no system call.
    virtual void wake() noexcept = 0;

    /// The clock. Monotonic; virtual time under the simulated driver.
    [[nodiscard]] virtual instant now() noexcept = 0;

    /// Makes `entries` buffer descriptors at `ring` known as group `group`, as
    /// IORING_REGISTER_PBUF_RING does. Returns 0 or a negative errno.
    [[nodiscard]] virtual int register_buffer_ring(io_uring_buf_ring* ring, std::uint32_t entries,
                                                   std::uint16_t group) noexcept = 0;
    virtual void unregister_buffer_ring(std::uint16_t group) noexcept = 0;

    /// Sends at once what the socket takes without waiting. Returns how much, or a negative errno:
    /// EAGAIN if nothing could be sent now, or if this driver always sends by request.
    [[nodiscard]] virtual std::int64_t send_now(int /*fd*/,
                                                std::span<const std::byte> /*from*/) noexcept {
        return -EAGAIN;
    }

    /// Makes `fd` known to the ring by a slot, which requests may then name in its place with
    /// IOSQE_FIXED_FILE. Returns the slot or a negative errno: then the number will have to do.
    /// It leaves the slot before it is closed. Costs a system call each; only with
    /// kernel_features::fixed_files.
    [[nodiscard]] virtual int enter_file(int /*fd*/) noexcept { return -EOPNOTSUPP; }
    virtual void leave_file(int /*slot*/) noexcept {}

    /// How descriptors are made and named in the kernel that carries out the requests.
    [[nodiscard]] virtual system_calls& calls() noexcept;

    /// The ring's descriptor, whose fdinfo tells what the kernel thinks; -1: there is none.
    [[nodiscard]] virtual int ring_descriptor() const noexcept { return -1; }

    /// What this kernel can do, less what RF_DISABLE masks.
    [[nodiscard]] const kernel_features& features() const noexcept { return features_; }

    /// Times the kernel was entered. For benches and tests that count system calls.
    [[nodiscard]] std::uint64_t enter_count() const noexcept { return enter_count_; }

protected:
    /// Makes room, or keeps the entry aside. Called when the ring has no free slot.
    [[nodiscard]] virtual io_uring_sqe& overflow_sqe() noexcept = 0;

    io_uring_sqe* sqes_ = nullptr;  // capacity of mask_ + 1 slots
    std::uint32_t mask_ = 0;
    std::uint32_t capacity_ = 0;          // mask_ + 1, or 0 while overflow_ holds entries
    std::uint32_t head_ = 0;              // first slot the kernel has not taken
    std::uint32_t tail_ = 0;              // next free slot
    std::uint32_t submitted_ = 0;         // slots below it have been handed over
    std::vector<io_uring_sqe> overflow_;  // entries the ring had no room for, oldest first
    kernel_features features_;
    std::uint64_t enter_count_ = 0;
};

}  // namespace rf
