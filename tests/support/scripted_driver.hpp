// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/features.hpp>
#include <ringfence/runtime/task.hpp>

#include <doctest/doctest.h>
#include <liburing.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rf::test {

/// What a kernel has that lacks nothing.
[[nodiscard]] kernel_features all_features();

/// A driver whose completions the test writes by hand: what no kernel says twice in the same way.
///
/// Requests are handed over and lie in `requests` until the test answers them. Closing a descriptor
/// happens at once. Time is virtual and moves only while the loop sleeps.
///
/// Lifetime: the loop's; the test finds it with here().
class scripted_driver final : public driver {
public:
    /// With all features but those that `disable` names, as in RF_DISABLE.
    explicit scripted_driver(std::string_view disable = {});
    ~scripted_driver() override;

    /// The one of the calling thread's loop.
    [[nodiscard]] static scripted_driver& here() noexcept;

    struct request {
        std::uint64_t user_data = 0;
        std::uint64_t address = 0;  // of its memory; what a cancel is aimed at
        std::uint8_t opcode = 0;
        std::uint8_t flags = 0;      // IOSQE_*
        std::uint16_t priority = 0;  // ioprio: multishot and its kin
    };
    std::deque<request> requests;  // handed over and not taken by the test, oldest first
    std::vector<int> closed;       // descriptors, in the order of their requests

    /// Takes the oldest request with this opcode; nothing if there is none.
    [[nodiscard]] std::optional<request> take(std::uint8_t opcode);
    /// The request has a completion, which the loop finds when it looks the next time.
    void complete(std::uint64_t user_data, std::int32_t res, std::uint32_t flags = 0);
    /// Puts `data` into the oldest buffer of the ring. Returns the flags that name it.
    [[nodiscard]] std::uint32_t fill_buffer(std::string_view data);

    void poll() noexcept override;
    void wait(instant until) noexcept override;
    [[nodiscard]] std::size_t reap(std::span<completion> out) noexcept override;
    [[nodiscard]] bool has_deferred() const noexcept override { return !posted_.empty(); }
    void wake() noexcept override {}
    [[nodiscard]] instant now() noexcept override { return now_; }
    [[nodiscard]] int register_buffer_ring(io_uring_buf_ring* ring, std::uint32_t entries,
                                           std::uint16_t group) noexcept override;
    void unregister_buffer_ring(std::uint16_t group) noexcept override;

private:
    [[nodiscard]] io_uring_sqe& overflow_sqe() noexcept override;
    void hand_over() noexcept;

    std::vector<io_uring_sqe> slots_;
    std::deque<completion> posted_;
    io_uring_buf_ring* ring_ = nullptr;
    std::uint32_t ring_entries_ = 0;
    std::uint16_t ring_head_ = 0;
    instant now_ = 0;
};

/// Lets the loop hand over, collect and resume what can go on: some microseconds of virtual time.
[[nodiscard]] task<> turns();

/// Runs `fn`, a function of nothing that returns a task, on a scripted driver that stands in for
/// each kernel in turn: the newest, 6.1 and 5.15. The test fails if a run leaves a task, operation,
/// timer, buffer or descriptor.
template <class F>
void run_scripted(const F& fn);

// Implementation

template <class F>
void run_scripted(const F& fn) {
    for (const char* kernel : {"", "6.1", "5.15"}) {
        const std::string as_on(kernel);
        CAPTURE(as_on);
        check_report(
            run_and_report([&fn] { return fn(); }, {}, std::make_unique<scripted_driver>(kernel)),
            {});
    }
}

}  // namespace rf::test
