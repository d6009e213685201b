// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for drivers and operations only

#include <ringfence/runtime/detail/io_uring.hpp>

#include <cstdint>

/// Values of the kernel's io_uring interface that older liburing headers lack. They are kernel ABI
/// and never change. Names are ours, because newer headers have some of them as macros and some as
/// enumerators. The kernel that brought each is behind it.
namespace rf::detail::abi {

inline constexpr std::uint32_t feat_no_iowait = 1U << 17;       // 6.15
inline constexpr std::uint32_t enter_no_iowait = 1U << 7;       // 6.15
inline constexpr std::uint32_t rsrc_register_sparse = 1U << 0;  // 5.19

/// What a kernel must have for this library to run at all: 5.15, told by its newest opcode.
inline constexpr std::uint8_t opcode_floor = IORING_OP_LINKAT;
inline constexpr std::uint32_t features_floor =
    IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG;

static_assert(sizeof(io_uring_sqe) == 64);
static_assert(sizeof(io_uring_cqe) == 16);
static_assert(sizeof(io_uring_buf) == 16);

/// The descriptors of a buffer ring. The structure's own member is placed wrongly in C++ by the
/// headers that declare it as a flexible array inside an empty structure.
[[nodiscard]] inline io_uring_buf* ring_buffers(io_uring_buf_ring* ring) noexcept {
    return reinterpret_cast<io_uring_buf*>(ring);
}

}  // namespace rf::detail::abi
