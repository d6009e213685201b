// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for the io_uring driver only

#include <ringfence/runtime/features.hpp>
#include <ringfence/runtime/uring_options.hpp>
#include <ringfence/runtime/uring_ring.hpp>

#include <bitset>
#include <string>

namespace rf::detail {

/// Makes the best ring that the kernel gives: the flags of an event loop (DEFER_TASKRUN, 6.1), else
/// those before it (COOP_TASKRUN, 5.19), else none, less what `mask` (as in RF_DISABLE) takes away.
/// Tells in `features` which were had. When memory is short it waits for rings closed a moment ago,
/// whose memory the kernel gives back late, and then makes do with smaller ones.
///
/// Returns false, with one sentence in `refusal`, if there is no ring to be had.
[[nodiscard]] bool open_ring(uring_ring& ring, const uring_options& options,
                             const uring_syscalls& syscalls, std::string_view mask,
                             kernel_features& features, std::string& refusal);

/// Sets what stays for the ring's life: entering by index, the cap on worker threads, and that
/// waiting is not waiting for a disk. Clears in `features` what did not work.
void tune_ring(uring_ring& ring, const uring_options& options, kernel_features& features);

/// The opcodes that the kernel knows, by number. Empty if it cannot be asked (before 5.6).
[[nodiscard]] std::bitset<256> known_opcodes(const uring_ring& ring);

}  // namespace rf::detail
