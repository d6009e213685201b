// SPDX-License-Identifier: MIT
#pragma once

namespace rf::leakcheck::detail {

/// Whether the calling code runs in a signal handler, told by the stack: the frame that a signal
/// interrupted is marked as such in the unwind tables (glibc; elsewhere it may answer false).
/// Cost: a walk over the native stack, a microsecond or so a frame.
[[nodiscard]] bool in_signal_handler() noexcept;

}  // namespace rf::leakcheck::detail
