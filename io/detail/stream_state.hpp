// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/descriptor.hpp>
#include <ringfence/io/detail/receiver.hpp>
#include <ringfence/io/endpoint.hpp>

#include <climits>
#include <cstdint>
#include <netinet/in.h>
#include <string>

namespace rf::io::detail {

/// What a connected stream socket is underneath its handle.
class stream_state final : public descriptor {
public:
    stream_state(int fd, const char* kind) noexcept;

    receiver input;
    std::uint64_t bytes_sent = 0;
    std::uint32_t requests = 0;  // in the frames of tasks; the socket must outlive them

    /// Lets a send name this socket in the way that costs the kernel least.
    void aim(io_uring_sqe& sqe) noexcept {
        if (slot_ < 0 && !earn_slot()) [[unlikely]]
            return;
        sqe.fd = slot_;
        sqe.flags |= IOSQE_FIXED_FILE;
    }

    /// "127.0.0.1:41234 -> 127.0.0.1:7000"; a system call, for errors and dumps.
    [[nodiscard]] std::string about() const;

    /// Notes whom it talks to: when the peer has reset the connection the kernel has forgotten.
    void remember_peer() noexcept;
    [[nodiscard]] endpoint peer() const noexcept;

private:
    [[nodiscard]] bool earn_slot() noexcept;
    void stop() noexcept override;
    [[nodiscard]] bool idle() const noexcept override { return input.idle(); }

    // Of the ring's files. Negative: none, and how many sends until one is asked for, because a
    // connection that ends before would not get back what its slot cost.
    static constexpr int slot_refused = INT_MIN;
    int slot_ = -4;
    sockaddr_in6 peer_{};  // room for IPv4 too
};

}  // namespace rf::io::detail
