// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/doorbell.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/fork_guard.hpp>
#include <ringfence/runtime/uring_driver.hpp>
#include <ringfence/runtime/uring_files.hpp>
#include <ringfence/runtime/uring_ring.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rf::detail {

/// The driver on io_uring. What it adds to the contract of rf::driver:
///
/// Fork: in a child made by fork() every use aborts with a sentence, but for wake(), which does
///   nothing there because a signal handler may call it before the child execs, and destruction,
///   which leaves the parent's ring alone. The child's copies of the descriptors are closed.
/// Destruction: by the owning thread, with no request of others in flight; completions that were
///   not reaped are dropped. Aborts otherwise, for their memory would be written to later.
/// Memory: no allocation after construction, unless the kernel refuses requests.
class uring_driver final : public driver {
public:
    ~uring_driver() override;

    void poll() noexcept override;
    void wait(instant until) noexcept override;
    [[nodiscard]] std::size_t reap(std::span<completion> out) noexcept override;
    [[nodiscard]] bool has_deferred() const noexcept override;
    void wake() noexcept override { bell_.ring(); }
    [[nodiscard]] instant now() noexcept override;
    [[nodiscard]] int register_buffer_ring(io_uring_buf_ring* ring, std::uint32_t entries,
                                           std::uint16_t group) noexcept override;
    void unregister_buffer_ring(std::uint16_t group) noexcept override;
    [[nodiscard]] std::int64_t send_now(int fd, std::span<const std::byte> from) noexcept override;
    [[nodiscard]] int enter_file(int fd) noexcept override;
    void leave_file(int slot) noexcept override;

    [[nodiscard]] uring_statistics statistics() const noexcept;
    [[nodiscard]] const uring_files& files() const noexcept { return files_; }

    [[nodiscard]] int ring_descriptor() const noexcept override { return ring_.fd(); }
    /// For MSG_RING between loops.
    [[nodiscard]] int ring_fd() const noexcept { return ring_.fd(); }

private:
    friend std::unique_ptr<driver> rf::make_uring_driver(const uring_options&, std::string&);

    uring_driver();
    static void in_forked_child(void* context) noexcept;
    [[nodiscard]] bool open(const uring_options& options, std::string_view mask,
                            std::string& refusal);
    [[nodiscard]] io_uring_sqe& overflow_sqe() noexcept override;

    static constexpr auto own_tag = static_cast<std::uint64_t>(completion_tag::driver);
    static constexpr std::uint64_t doorbell_poll = 4 | own_tag;
    static constexpr std::uint64_t doorbell_cancel = 8 | own_tag;
    static constexpr unsigned rounds_max = 16;  // enters in one call; the rest is for the next tick

    void check_use() const noexcept;
    [[nodiscard]] bool full() const noexcept { return tail_ - head_ > mask_; }
    [[nodiscard]] bool enter(std::uint32_t to_submit, std::uint32_t min_complete, bool collect,
                             std::optional<std::chrono::nanoseconds> longest = {}) noexcept;
    [[nodiscard]] bool went_well(int result) noexcept;
    void sit_out_refusal(instant left) noexcept;
    void take_in_overflow() noexcept;
    void arm_doorbell() noexcept;
    void own_completion(const io_uring_cqe& cqe) noexcept;
    void see_off_own_requests() noexcept;

    uring_ring ring_;
    uring_files files_{ring_};
    doorbell bell_;
    bool doorbell_armed_ = false;
    bool forked_ = false;  // this is the copy in a child
    std::uint32_t own_cancels_ = 0;
    const void* owner_;               // the owning thread
    std::size_t overflow_taken_ = 0;  // entries of overflow_ that have moved to the ring
    std::uint64_t submitted_count_ = 0;
    std::uint64_t completions_ = 0;
    std::uint64_t in_flight_ = 0;
    std::uint64_t refusals_ = 0;
    std::uint32_t pauses_ = 0;  // since the kernel last took something
    std::vector<std::uint16_t> buffer_groups_;
    fork_guard guard_;  // last, so that it goes first: a fork meanwhile must find all else whole
};

}  // namespace rf::detail
