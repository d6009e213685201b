// SPDX-License-Identifier: MIT
#pragma once

namespace rf {

namespace detail {
struct uring_syscalls;
}

/// Sizes and limits of one loop's io_uring.
///
/// The defaults suit a server of tens of thousands of connections. Unprivileged rings count against
/// RLIMIT_MEMLOCK (about 72 KiB each with the defaults; the usual limit is 8 MiB per user); when
/// that runs out, smaller ones are tried before the ring is refused.
struct uring_options {
    unsigned entries = 512;      // requests between two calls of the kernel; rounded up to 2^n
    unsigned cq_entries = 2048;  // completions the kernel can hold ready; more cost it memory
    // Threads the kernel may start for this loop. Bounded: requests on files. Unbounded: the rest.
    unsigned iowq_bounded_max = 0;  // 0: four, or one per processor where there are fewer
    unsigned iowq_unbounded_max = 32;
    const detail::uring_syscalls* syscalls = nullptr;  // null: the real ones; for tests
};

}  // namespace rf
