// SPDX-License-Identifier: MIT
#include <ringfence/runtime/uring_probe.hpp>

#include <ringfence/runtime/uring_constants.hpp>
#include <ringfence/runtime/uring_files.hpp>
#include <ringfence/runtime/uring_requests.hpp>
#include <ringfence/runtime/uring_setup.hpp>
#include <ringfence/runtime/uring_trial.hpp>

#include <cerrno>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace rf::detail {
namespace {

bool is_multishot(const std::optional<completion>& first) {
    return first && first->res >= 0 && (first->flags & IORING_CQE_F_MORE) != 0;
}

bool try_multishot_poll(uring_trial& trial) {
    trial_sockets pair(SOCK_STREAM);
    if (!pair.ready()) return false;
    const bool works = is_multishot(
        trial.run([&](io_uring_sqe& sqe) { prep::poll_multishot(sqe, pair.near(), POLLOUT); }));
    trial.end();
    return works;
}

bool try_multishot_accept(uring_trial& trial) {
    trial_listener listener;
    if (!listener.ready()) return false;
    const auto first =
        trial.run([&](io_uring_sqe& sqe) { prep::accept_multishot(sqe, listener.listening()); });
    if (first && first->res >= 0) ::close(first->res);
    trial.end();
    return is_multishot(first);
}

bool try_buffer_ring(uring_trial& trial) {
    if (!trial.provide_buffers()) return false;
    trial_sockets pair(SOCK_STREAM);
    if (!pair.ready() || !pair.feed()) return false;
    const auto got = trial.run(
        [&](io_uring_sqe& sqe) { prep::recv_select(sqe, pair.near(), uring_trial::group); });
    trial.end();
    return got && got->res == 1 && (got->flags & IORING_CQE_F_BUFFER) != 0;
}

bool try_multishot_recv(uring_trial& trial) {
    trial_sockets pair(SOCK_STREAM);
    if (!pair.ready() || !pair.feed()) return false;
    const bool works = is_multishot(trial.run(
        [&](io_uring_sqe& sqe) { prep::recv_multishot(sqe, pair.near(), uring_trial::group); }));
    trial.end();
    return works;
}

bool try_multishot_recvmsg(uring_trial& trial) {
    trial_sockets pair(SOCK_DGRAM);
    if (!pair.ready() || !pair.feed()) return false;
    msghdr message{};
    const bool works = is_multishot(trial.run([&](io_uring_sqe& sqe) {
        prep::recvmsg_multishot(sqe, pair.near(), &message, uring_trial::group);
    }));
    trial.end();
    return works;
}

bool try_cancel_any(uring_trial& trial) {
    // With nothing to cancel: 0 observed on 6.18, ENOENT elsewhere; EINVAL is "no such flag".
    const auto answer = trial.run([](io_uring_sqe& sqe) { prep::cancel_all(sqe); });
    return answer && (answer->res >= 0 || answer->res == -ENOENT);
}

// A socket that has left its slot and is closed must be gone: its peer reads the end at once. Up to
// 6.12 the kernel may hold it for a second more.
bool try_fixed_files(const uring_ring& ring) {
    uring_files files(ring);
    trial_sockets pair(SOCK_STREAM);
    if (!pair.ready()) return false;
    const int slot = files.enter(pair.near());
    if (slot < 0) return false;
    files.leave(slot);
    pair.close_near();
    char byte = 0;
    return ::recv(pair.far(), &byte, 1, MSG_DONTWAIT) == 0;
}

bool try_iowq_limit(const uring_ring& ring) {
    unsigned ask_only[2] = {0, 0};
    return ring.register_op(IORING_REGISTER_IOWQ_MAX_WORKERS, ask_only, 2) == 0;
}

}  // namespace

bool probe_features(const uring_syscalls& syscalls, kernel_features& features,
                    std::string& refusal) {
    kernel_features as_plain;
    uring_ring ring;
    if (!open_ring(ring, {.entries = 8, .cq_entries = 16}, syscalls,
                   "defer_taskrun,coop_taskrun,submit_all", as_plain, refusal))
        return false;
    const std::bitset<256> known = known_opcodes(ring);
    kernel_features found;
    found.no_iowait = (ring.features() & abi::feat_no_iowait) != 0;
    found.iowq_limit = try_iowq_limit(ring);
    found.registered_ring = ring.register_fd();
    found.send_zc = known[IORING_OP_SEND_ZC];
    found.msg_ring = known[IORING_OP_MSG_RING];

    found.fixed_files = try_fixed_files(ring);

    uring_trial trial(ring);
    found.cancel_any = try_cancel_any(trial);
    found.multishot_poll = try_multishot_poll(trial);
    found.multishot_accept = try_multishot_accept(trial);
    found.buf_ring = try_buffer_ring(trial);
    found.multishot_recv = found.buf_ring && try_multishot_recv(trial);
    found.multishot_recvmsg = found.buf_ring && try_multishot_recvmsg(trial);
    features = found;
    return true;
}

bool probe_features_once(kernel_features& features, std::string& refusal) {
    // A failure is not remembered: the limit it met may be raised, the memory come back.
    static std::mutex one_at_a_time;
    static std::optional<kernel_features> known;
    const std::lock_guard lock(one_at_a_time);
    if (!known) {
        kernel_features found;
        if (!probe_features(kernel_syscalls, found, refusal)) return false;
        known = found;
    }
    features = *known;
    return true;
}

}  // namespace rf::detail
