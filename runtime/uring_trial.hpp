// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for the io_uring feature probe only

#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/uring_ring.hpp>

#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace rf::detail {

/// A ring to try one request at a time on, with eight small buffers to receive into.
///
/// A request that neither completes nor can be cancelled within a second counts as not supported.
/// The memory it might still write to is then never freed.
class uring_trial {
public:
    static constexpr std::uint16_t group = 1;

    explicit uring_trial(uring_ring& ring) noexcept;
    uring_trial(const uring_trial&) = delete;
    uring_trial& operator=(const uring_trial&) = delete;
    ~uring_trial();

    /// Makes the buffers known to the kernel. Returns whether it takes them.
    [[nodiscard]] bool provide_buffers() noexcept;

    /// Hands over the request that `describe(io_uring_sqe&)` fills in and returns its first
    /// completion, or nothing if there was none.
    template <class Describe>
    [[nodiscard]] std::optional<completion> run(Describe&& describe) {
        if (in_flight_ != 0) return std::nullopt;  // something is stuck: no more experiments
        describe(next(++last_user_data_));
        return wait_for(last_user_data_);
    }

    /// Cancels what is left of the request and sees it off.
    void end() noexcept;

private:
    [[nodiscard]] io_uring_sqe& next(std::uint64_t user_data) noexcept;
    [[nodiscard]] std::optional<completion> wait_for(std::uint64_t user_data) noexcept;

    uring_ring& ring_;
    std::byte* memory_ = nullptr;  // a page of descriptors, a page of buffers
    bool provided_ = false;
    std::uint32_t tail_ = 0;
    std::uint32_t in_flight_ = 0;  // requests that have not ended
    std::uint64_t last_user_data_ = 0;
};

/// Two sockets that are each other's peer.
class trial_sockets {
public:
    explicit trial_sockets(int type) noexcept;
    trial_sockets(const trial_sockets&) = delete;
    trial_sockets& operator=(const trial_sockets&) = delete;
    ~trial_sockets();

    [[nodiscard]] bool ready() const noexcept { return fds_[0] >= 0; }
    [[nodiscard]] int near() const noexcept { return fds_[0]; }
    [[nodiscard]] int far() const noexcept { return fds_[1]; }
    void close_near() noexcept;
    /// Gives near() one byte to read.
    [[nodiscard]] bool feed() const noexcept;

private:
    int fds_[2] = {-1, -1};
};

/// A listening socket with one connection to accept.
class trial_listener {
public:
    trial_listener() noexcept;
    trial_listener(const trial_listener&) = delete;
    trial_listener& operator=(const trial_listener&) = delete;
    ~trial_listener();

    [[nodiscard]] bool ready() const noexcept { return connected_; }
    [[nodiscard]] int listening() const noexcept { return listening_; }

private:
    int listening_ = -1;
    int peer_ = -1;
    bool connected_ = false;
};

}  // namespace rf::detail
