// SPDX-License-Identifier: MIT
// What a simulated kernel says of descriptors that are not its own.
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/opcode_name.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace rf::leakcheck {
namespace {

/// "socket:[4711], a tcp stream opened at pool.cpp:88 by task 4"
std::string who_is(int fd) {
    char target[256];
    const ssize_t size =
        ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target, sizeof target);
    std::string text(target, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    if (const loop* const owner = loop::current(); owner != nullptr)
        const_cast<loop*>(owner)->ledger().for_each([&](const descriptor_entry& entry) {
            if (entry.fd == fd)
                text += fmt::format(", {} opened at {} by task {}", entry.kind,
                                    rf::detail::to_string(entry.opened), entry.task_id);
        });
    return text;
}

}  // namespace

void simulated_kernel::refuse(std::string sentence) {
    if (loop* const owner = loop::current(); owner != nullptr)
        owner->ledger().refused(std::move(sentence));
}

std::int32_t simulated_kernel::refuse_foreign(const io_uring_sqe& sqe) {
    if (::fcntl(sqe.fd, F_GETFD) < 0) return EBADF;
    refuse(fmt::format(
        "{} on descriptor {} ({}) was refused: it is the process's own, and the simulated kernel "
        "cannot wait for it. Make it inside of the test (tcp_stream::connect, unix_stream::pair, "
        "make_pipe, simulated_kernel::make_...), or run the test on the real kernel with rf::run",
        rf::detail::opcode_name(sqe.opcode), sqe.fd, who_is(sqe.fd)));
    return EBADFD;
}

}  // namespace rf::leakcheck
