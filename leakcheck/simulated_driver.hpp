// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_calls.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/doorbell.hpp>
#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace rf::leakcheck {

/// Carries a loop's requests to a simulated kernel: virtual time, seeded order and mischief.
///
///     rf::leakcheck::simulated_kernel kernel({.seed = 7});
///     auto report = rf::run_and_report(program, {},
///                                      std::make_unique<rf::leakcheck::simulated_driver>(kernel));
///
/// wait() jumps to the next thing that happens. Where nothing ever will (no request can go on, no
/// timer, nobody outside), the loop is told that it is quiescent, so that a receive which no peer
/// will ever serve is reported as the deadlock that it is. While another thread owes the loop a
/// message, the clock stands still for simulated_options::patience of real time, and for as long as
/// it takes if all timers are those of watchers.
///
/// Lifetime: the kernel outlives it. At its destruction no request may be pending; aborts
/// otherwise. Threads: one, but for wake().
class simulated_driver final : public driver {
public:
    explicit simulated_driver(simulated_kernel& kernel);
    ~simulated_driver() override;

    /// The one of the calling thread, or null.
    [[nodiscard]] static simulated_driver* current() noexcept;

    [[nodiscard]] simulated_kernel& kernel() noexcept { return kernel_; }

    /// Called when nothing can happen any more unless the clock moves, and before it does. True: a
    /// task was made ready, or the loop has to look again for another reason; the clock stands.
    std::function<bool()> before_jump;

    void poll() noexcept override;
    void wait(instant until) noexcept override;
    [[nodiscard]] std::size_t reap(std::span<completion> out) noexcept override;
    [[nodiscard]] bool has_deferred() const noexcept override;
    void wake() noexcept override { bell_.ring(); }
    [[nodiscard]] instant now() noexcept override { return kernel_.now_; }
    [[nodiscard]] int register_buffer_ring(io_uring_buf_ring* ring, std::uint32_t entries,
                                           std::uint16_t group) noexcept override;
    void unregister_buffer_ring(std::uint16_t group) noexcept override;
    [[nodiscard]] system_calls& calls() noexcept override { return calls_; }

private:
    [[nodiscard]] io_uring_sqe& overflow_sqe() noexcept override;
    void hand_over(bool all);
    void sleep_until(instant until);
    [[nodiscard]] bool sleep_really(int milliseconds);
    void nothing_will_happen();

    simulated_kernel& kernel_;
    detail::simulated_calls calls_;
    rf::detail::doorbell bell_;
    std::vector<io_uring_sqe> slots_;
    std::uint32_t polls_ = 0;  // in a row, without a wait
    simulated_driver* outer_;
};

}  // namespace rf::leakcheck
