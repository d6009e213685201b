// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace rf {

/// What the running kernel's io_uring can do. Probed once per process, by trying: version numbers
/// lie, because distributions backport.
///
/// The environment variable RF_DISABLE takes names away, separated by commas, so that a program
/// runs as it would on an older kernel, or to switch off a feature that misbehaves in the field:
///   RF_DISABLE=multishot,buf_ring
/// Names are those of the members. Three short names stand for several: `multishot` for all
/// multishot members, `6.1` and `5.15` for what those kernels lack. An unknown name is refused.
struct kernel_features {
    bool defer_taskrun = false;      // 6.1: SINGLE_ISSUER with DEFER_TASKRUN
    bool coop_taskrun = false;       // 5.19
    bool submit_all = false;         // 5.18
    bool multishot_accept = false;   // 5.19
    bool multishot_recv = false;     // 6.0, needs buf_ring
    bool multishot_recvmsg = false;  // 6.0, needs buf_ring
    bool multishot_poll = false;     // 5.13
    bool buf_ring = false;           // 5.19: provided buffers in a shared ring
    bool cancel_any = false;         // 5.19: ASYNC_CANCEL with ANY and ALL; teardown only
    bool no_iowait = false;          // 6.15: an idle loop does not count as iowait
    bool registered_ring = false;    // 5.18: entering by index
    bool iowq_limit = false;         // 5.15: a cap on the kernel's worker threads
    bool fixed_files = false;        // a file that left its slot is closed at once: 6.13
    bool send_zc = false;            // 6.0
    bool msg_ring = false;           // 5.18

    /// Names of what is there, separated by spaces, for logs and reports.
    [[nodiscard]] std::string describe() const;

    friend bool operator==(const kernel_features&, const kernel_features&) = default;
};

/// Switches off in `features` what the comma-separated `mask` names. Returns the first name that
/// is not known, or an empty view. Members that need a disabled one go with it.
[[nodiscard]] std::string_view mask_features(kernel_features& features, std::string_view mask);

}  // namespace rf
