// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/detail/simulated_object.hpp>
#include <ringfence/runtime/driver.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rf::leakcheck::detail {

/// One request between submission and its last completion.
struct simulated_request {
    enum class state : std::uint8_t {
        due,      // in the queue of what happens at or after `at`
        parked,   // waits for its object to change
        running,  // in a worker thread: will happen at `at`, whatever a cancel says
        ending,   // its last completion, `result`, is decided and comes at `at`
    };

    std::uint64_t number = 0;  // in order of submission
    std::shared_ptr<simulated_object> object;
    std::vector<iovec> parts;   // the memory it names, imported at submission
    msghdr* message = nullptr;  // RECVMSG and SENDMSG
    simulated_address peer;     // CONNECT
    std::string path;           // OPENAT and its kin, copied as the kernel does
    std::string other_path;     // of those that name two
    state now = state::due;
    bool attempted = false;
    instant at = 0;
    std::int32_t result = 0;         // while ending
    std::size_t done = 0;            // bytes so far, with MSG_WAITALL
    std::uint64_t changes_seen = 0;  // multishot poll
    // Never empty; optional because some headers end the entry with an array of no size, which is
    // not allowed in a member.
    std::optional<io_uring_sqe> sqe;

    [[nodiscard]] bool selects_buffer() const noexcept {
        return (sqe->flags & IOSQE_BUFFER_SELECT) != 0;
    }
    [[nodiscard]] bool multishot() const noexcept;
    /// Runs in a worker thread.
    [[nodiscard]] bool in_worker() const noexcept;
    /// Reads and writes back what the memory begins and ends with: a memory checker then finds a
    /// request that outlived it, whether or not there was data.
    void touch_memory() const noexcept;
    [[nodiscard]] std::string describe() const;
};

/// Whether it is about a path: OPENAT, STATX and their kin.
[[nodiscard]] bool names_path(std::uint8_t opcode) noexcept;
/// Whether there is more to that opcode than EINVAL.
[[nodiscard]] bool is_simulated(std::uint8_t opcode) noexcept;

/// A buffer ring as the kernel sees it: reads the descriptors that the program publishes.
struct simulated_buffer_group {
    struct buffer {
        std::uint16_t id = 0;
        iovec memory{};
    };

    io_uring_buf_ring* ring = nullptr;
    std::uint32_t entries = 0;
    std::uint16_t head = 0;

    [[nodiscard]] bool empty() const noexcept;
    /// The oldest one. Only if not empty.
    [[nodiscard]] buffer front() const noexcept;
};

}  // namespace rf::leakcheck::detail
