// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace rf {

class loop;

/// A few signal numbers. Trivially destructible, so that it can be part of an options struct.
class signal_list {
public:
    constexpr signal_list() noexcept = default;
    /// At most 8; more are refused.
    constexpr signal_list(std::initializer_list<int> signals) {
        for (const int signal : signals)
            numbers_[count_++] = signal;
    }
    constexpr void add(int signal) { numbers_[count_++] = signal; }
    [[nodiscard]] constexpr const int* begin() const noexcept { return numbers_.data(); }
    [[nodiscard]] constexpr const int* end() const noexcept { return numbers_.data() + count_; }
    [[nodiscard]] constexpr bool contains(int signal) const noexcept {
        for (const int number : *this)
            if (number == signal) return true;
        return false;
    }

private:
    std::array<int, 8> numbers_{};
    std::size_t count_ = 0;
};

namespace detail {

inline constexpr int signal_numbers = 65;

struct signal_slot;

/// Called on the loop's thread, from its inbox, after signals have arrived; several may be merged
/// into one call. Must not run user code.
struct signal_callback {
    void (*call)(void* context) noexcept = nullptr;
    void* context = nullptr;
};

/// Takes over `signals` for as long as it lives and counts their arrivals; a loop is woken by each.
/// Whoever needs no more than a look in each turn asks pending(); others pass a callback.
///
/// Process-wide: a handler that counts and rings the doorbells of the loops that listen. What was
/// installed before is put back by the last listener of a signal. Nothing is blocked, so child
/// processes and other threads see no change of their masks.
/// Threads: make and destroy on the loop's thread; several loops may listen to one signal.
class signal_listener {
public:
    signal_listener(loop& owner, const signal_list& signals, signal_callback callback = {});
    signal_listener(const signal_listener&) = delete;
    signal_listener& operator=(const signal_listener&) = delete;
    ~signal_listener();

    /// Arrivals of `signal` since the listener began, or since the last call that returned any.
    [[nodiscard]] std::uint32_t take(int signal) noexcept;

    /// Whether any signal of the process has arrived since the last call. One load.
    [[nodiscard]] bool pending() noexcept;

private:
    signal_slot* slot_;  // what the handler sees; may outlive this by one turn of the loop
    signal_list signals_;
    std::array<std::uint32_t, signal_numbers> seen_{};
    std::uint32_t seen_any_ = 0;
};

}  // namespace detail
}  // namespace rf
