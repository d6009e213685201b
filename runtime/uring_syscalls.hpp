// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for the io_uring driver and its tests only

#include <ringfence/runtime/detail/durations.hpp>

#include <liburing.h>

#include <cstddef>

namespace rf::detail {

/// All that the io_uring driver asks of the system when it makes and enters a ring, as a table, so
/// that a test can answer in the kernel's place: EINTR, EBUSY, a short submission, a refused flag.
///
/// Calls return what the kernel returns, and a negative errno for an error. `context` is passed
/// through. Nothing here is called more than a few times per tick, so the indirection costs nothing
/// that could be measured beside the system call.
struct uring_syscalls {
    void* context = nullptr;

    int (*setup)(void* context, unsigned entries, io_uring_params* params) noexcept = nullptr;
    int (*enter)(void* context, int fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                 const void* argument, std::size_t argument_size) noexcept = nullptr;
    int (*register_op)(void* context, int fd, unsigned opcode, void* argument,
                       unsigned count) noexcept = nullptr;

    /// The value of kernel.io_uring_disabled, or -1 where there is no such setting.
    int (*disabled_setting)(void* context) noexcept = nullptr;

    /// Waits before a refused setup is tried again.
    void (*pause)(void* context, std::chrono::nanoseconds length) noexcept = nullptr;
};

/// The real ones.
extern const uring_syscalls kernel_syscalls;

}  // namespace rf::detail
