// SPDX-License-Identifier: MIT
#pragma once

#include <liburing.h>

#include <cstdint>
#include <memory>

namespace echo {

/// io_uring as a program would use it that does one thing: set up, and nothing in between. A call
/// of the kernel that fails where it must not ends the process with a sentence.
class raw_ring {
public:
    raw_ring(unsigned entries, unsigned completions);
    raw_ring(const raw_ring&) = delete;
    raw_ring& operator=(const raw_ring&) = delete;
    ~raw_ring();

    /// A table of direct descriptors for the kernel to fill.
    void reserve_descriptors(unsigned count);

    /// An entry; when the queue is full it is submitted first.
    [[nodiscard]] io_uring_sqe& entry() noexcept;

    /// Submits and waits for `count` completions.
    void submit_and_wait(unsigned count) noexcept;

    [[nodiscard]] io_uring& native() noexcept { return ring_; }
    [[nodiscard]] std::uint64_t enters() const noexcept { return enters_; }

private:
    io_uring ring_{};
    std::uint64_t enters_ = 0;
};

/// A ring of receive buffers, group 1.
class raw_buffers {
public:
    static constexpr int group = 1;
    raw_buffers(raw_ring& ring, std::uint32_t count, std::uint32_t bytes);

    [[nodiscard]] char* address(std::uint32_t id) noexcept {
        return memory_.get() + std::size_t{id} * bytes_;
    }
    /// Collects a buffer to be given back by the next publish().
    void put(std::uint32_t id) noexcept;
    void publish() noexcept;

private:
    struct freed {
        void operator()(void* memory) const noexcept;
    };
    std::uint32_t count_;
    std::uint32_t bytes_;
    int waiting_ = 0;
    std::unique_ptr<char, freed> memory_;
    std::unique_ptr<io_uring_buf_ring, freed> ring_;
};

/// A listening socket on 127.0.0.1; says so in a line. Connections inherit TCP_NODELAY.
[[nodiscard]] int listen_on(std::uint16_t port);

/// A descriptor that becomes readable when SIGTERM comes, which no longer ends the process.
[[nodiscard]] int termination();

[[noreturn]] void give_up(const char* what, int error);

}  // namespace echo
