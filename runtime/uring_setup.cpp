// SPDX-License-Identifier: MIT
#include <ringfence/runtime/uring_setup.hpp>

#include <ringfence/runtime/uring_constants.hpp>
#include <ringfence/runtime/uring_refusal.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>

namespace rf::detail {
namespace {

// The memory of a closed ring counts until the kernel has torn it down: at most 22 ms later,
// observed on 6.18. Waiting that long comes before a smaller ring, which would stay small.
constexpr auto pause_length = std::chrono::milliseconds(4);
constexpr int pauses_max = 8;
constexpr unsigned entries_min = 16;

struct ring_size {
    unsigned entries;
    unsigned cq_entries;
};

/// Opens a ring with just these flags, smaller if need be. 0 or a negative errno.
int open_with(uring_ring& ring, const uring_syscalls& syscalls, std::uint32_t flags,
              ring_size size) {
    for (;;) {
        for (int pauses = 0;; ++pauses) {
            io_uring_params params{};
            params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
            params.cq_entries = size.cq_entries;
            const int error = ring.open(syscalls, size.entries, params);
            if (error != -ENOMEM) return error;
            if (pauses == pauses_max) break;
            syscalls.pause(syscalls.context, pause_length);
        }
        if (size.entries <= entries_min) return -ENOMEM;
        size.entries /= 2;
        size.cq_entries = std::max(size.cq_entries / 2, size.entries);
    }
}

}  // namespace

bool open_ring(uring_ring& ring, const uring_options& options, const uring_syscalls& syscalls,
               std::string_view mask, kernel_features& features, std::string& refusal) {
    // SINGLE_ISSUER alone gains little, so that 6.0, which has it without DEFER_TASKRUN, counts as
    // 5.19. TASKRUN_FLAG makes visible that the kernel holds completions back.
    constexpr std::uint32_t defer = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                    IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
    constexpr std::uint32_t coop =
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
    constexpr std::uint32_t ladder[] = {defer, coop, IORING_SETUP_SUBMIT_ALL, 0};

    kernel_features allowed;
    allowed.defer_taskrun = allowed.coop_taskrun = allowed.submit_all = true;
    if (const std::string_view unknown = mask_features(allowed, mask); !unknown.empty()) {
        refusal = explain_unknown_feature(unknown);
        return false;
    }
    const unsigned entries = std::max(options.entries, 1U);
    const ring_size size{entries, std::max(options.cq_entries, entries)};
    int error = -EINVAL;
    for (std::uint32_t flags : ladder) {
        if ((flags & IORING_SETUP_DEFER_TASKRUN) != 0 && !allowed.defer_taskrun) continue;
        if ((flags & IORING_SETUP_COOP_TASKRUN) != 0 && !allowed.coop_taskrun) continue;
        if (!allowed.submit_all) flags &= ~static_cast<std::uint32_t>(IORING_SETUP_SUBMIT_ALL);
        error = open_with(ring, syscalls, flags, size);
        if (error == -EINVAL) continue;
        if (error != 0) break;
        features.defer_taskrun = (flags & IORING_SETUP_DEFER_TASKRUN) != 0;
        features.coop_taskrun = allowed.coop_taskrun && (flags & IORING_SETUP_TASKRUN_FLAG) != 0;
        features.submit_all = (flags & IORING_SETUP_SUBMIT_ALL) != 0;
        if ((ring.features() & abi::features_floor) == abi::features_floor &&
            known_opcodes(ring)[abi::opcode_floor])
            return true;
        refusal = explain_old_kernel(ring.features());
        ring.close();
        return false;
    }
    refusal = explain_setup_error(-error, syscalls);
    return false;
}

void tune_ring(uring_ring& ring, const uring_options& options, kernel_features& features) {
    if (features.registered_ring) features.registered_ring = ring.register_fd();
    if (features.no_iowait) ring.set_no_iowait();
    if (features.iowq_limit) {
        // Without a cap a kernel starts one unbounded worker per blocked request, up to the limit
        // on processes (96,365 observed on 6.18).
        unsigned bounded = options.iowq_bounded_max;
        if (bounded == 0) bounded = std::clamp(std::thread::hardware_concurrency(), 1U, 4U);
        unsigned limits[2] = {bounded, std::max(options.iowq_unbounded_max, 1U)};
        features.iowq_limit = ring.register_op(IORING_REGISTER_IOWQ_MAX_WORKERS, limits, 2) == 0;
    }
}

std::bitset<256> known_opcodes(const uring_ring& ring) {
    std::bitset<256> known;
    // Zeroed, which the kernel checks; it writes the operations right behind the head.
    alignas(io_uring_probe)
        std::byte reply[sizeof(io_uring_probe) + 256 * sizeof(io_uring_probe_op)]{};
    if (ring.register_op(IORING_REGISTER_PROBE, reply, 256) < 0) return known;
    const auto count = std::to_integer<unsigned>(reply[offsetof(io_uring_probe, ops_len)]);
    for (unsigned i = 0; i < count; ++i) {
        io_uring_probe_op op{};
        std::memcpy(&op, reply + sizeof(io_uring_probe) + i * sizeof op, sizeof op);
        if ((op.flags & IO_URING_OP_SUPPORTED) != 0) known.set(op.op);
    }
    return known;
}

}  // namespace rf::detail
