// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for drivers only

#include <atomic>
#include <cstdint>

namespace rf::detail {

/// Ends a loop's sleep from outside: an eventfd that the loop polls, behind an atomic state, so
/// that ringing costs a system call only when the loop sleeps and nobody has rung yet.
///
/// The loop looks for messages after each sleep, falls asleep if there are none, and sleeps only if
/// fall_asleep() says so. A sender puts its message in place, then rings. Whichever of the two
/// exchanges the state first, the other sees it: either the loop finds "rung" and does not sleep,
/// or the sender finds "sleeping" and writes. So no ring is lost, and what a sender wrote before it
/// rang is visible once the loop is awake.
class doorbell {
public:
    doorbell() noexcept = default;
    doorbell(const doorbell&) = delete;
    doorbell& operator=(const doorbell&) = delete;
    ~doorbell() { close(); }

    /// 0 or a negative errno.
    [[nodiscard]] int open() noexcept;

    /// What to poll for POLLIN.
    [[nodiscard]] int fd() const noexcept { return fd_; }

    /// Any thread, and signal handlers. Does nothing where the bell is closed.
    void ring() noexcept;

    /// The loop's thread: declares that it is about to sleep. False if it was rung since the last
    /// sleep, in which case it must not.
    [[nodiscard]] bool fall_asleep() noexcept;

    /// The loop's thread: after every sleep.
    void wake_up() noexcept;

    /// Empties the eventfd, so that a poll that is armed anew waits.
    void silence() noexcept;

    void close() noexcept;

private:
    enum class state : std::uint32_t { awake, asleep, rung };

    std::atomic<state> state_{state::awake};
    int fd_ = -1;
};

}  // namespace rf::detail
