// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for the io_uring driver only

#include <ringfence/runtime/uring_ring.hpp>

#include <cstdint>
#include <vector>

namespace rf::detail {

/// Descriptors that a ring knows by slot: a request that names the slot spares the kernel the
/// counting of references that a lookup by number costs, each time.
///
/// The kernel holds the file open as long as it is in its slot, whatever happens to the number: it
/// leaves the slot before it is closed, or its peer hears nothing of the close.
/// Threads: the ring's. Cost: a system call to enter and one to leave; 8 bytes a slot in the
/// kernel, taken with the first file.
class uring_files {
public:
    explicit uring_files(const uring_ring& ring) noexcept : ring_(ring) {}

    /// The slot of `fd` from now on, or a negative errno: ENFILE if all slots are taken.
    [[nodiscard]] int enter(int fd) noexcept;
    /// Gives the slot back. No request that has not been handed over may still name it.
    void leave(int slot) noexcept;
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
    /// The size of the table; 0: none has been made.
    [[nodiscard]] std::uint32_t slots() const noexcept { return slots_; }
    /// The slots in use, in order. Allocates; for checks.
    [[nodiscard]] std::vector<std::uint32_t> held() const;

private:
    static constexpr std::uint32_t slots_max = 16384;

    [[nodiscard]] int make_table() noexcept;
    [[nodiscard]] int update(std::uint32_t slot, int fd) const noexcept;

    const uring_ring& ring_;
    std::uint32_t slots_ = 0;           // 0: no table yet
    int refused_ = 0;                   // why there will be none
    std::uint32_t fresh_ = 0;           // slots from here on have never been used
    std::uint32_t count_ = 0;           // in use
    std::vector<std::uint32_t> spare_;  // used before, and free
};

}  // namespace rf::detail
