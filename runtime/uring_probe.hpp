// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for the io_uring driver only

#include <ringfence/runtime/features.hpp>
#include <ringfence/runtime/uring_syscalls.hpp>

#include <string>

namespace rf::detail {

/// Finds out what the kernel can do inside its opcodes, by doing it once on sockets that talk to
/// each other: nothing else tells whether a flag of an operation is known. The flags of a ring
/// (defer_taskrun, coop_taskrun, submit_all) are not among it; open_ring() finds those.
///
/// Returns false, with one sentence in `refusal`, if no ring can be made to try on.
/// Cost: about 30 system calls and a small ring.
[[nodiscard]] bool probe_features(const uring_syscalls& syscalls, kernel_features& features,
                                  std::string& refusal);

/// The same on the real kernel, done once per process and remembered. Any thread.
[[nodiscard]] bool probe_features_once(kernel_features& features, std::string& refusal);

}  // namespace rf::detail
