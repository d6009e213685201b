// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/loop.hpp>

#include <cstdint>

namespace rf::io::detail {

/// Lets a bounded number of requests on files into the kernel, oldest first.
///
/// A request on a file may block one of the few worker threads that the kernel has for them, and
/// the kernel's own queue behind those cannot be seen from here. What waits here can be cancelled
/// with no effect and at once.
///
/// Threads: one loop. Cost: a counter; a place in line lives in the awaiting frame.
class file_gate final : public loop_service {
public:
    static constexpr std::uint32_t in_flight_max = 64;

    /// A request that waits for its turn.
    struct turn : rf::detail::list_hook {
        void (*start)(turn&) noexcept = nullptr;
        turn() noexcept = default;
        turn(turn&& other) noexcept : list_hook(), start(other.start) {}
    };

    explicit file_gate(loop&) noexcept {}

    [[nodiscard]] static file_gate& here();

    /// Starts `who` now, or when others have left. Each that was started leaves once.
    void enter(turn& who) noexcept {
        if (in_flight_ < in_flight_max) {
            ++in_flight_;
            who.start(who);
        } else {
            waiting_.push_back(who);
        }
    }

    /// The place of one that has left goes to the oldest that waits.
    void leave() noexcept {
        if (waiting_.empty()) {
            --in_flight_;
            return;
        }
        turn& next = waiting_.pop_front();
        next.start(next);
    }

    [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_; }

private:
    std::uint32_t in_flight_ = 0;  // <= in_flight_max; equal to it while anyone waits
    rf::detail::intrusive_list<turn> waiting_;
};

}  // namespace rf::io::detail
