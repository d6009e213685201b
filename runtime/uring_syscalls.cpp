// SPDX-License-Identifier: MIT
#include <ringfence/runtime/uring_syscalls.hpp>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace rf::detail {
namespace {

int errno_or(long result) noexcept { return result < 0 ? -errno : static_cast<int>(result); }

int kernel_setup(void*, unsigned entries, io_uring_params* params) noexcept {
    return errno_or(::syscall(__NR_io_uring_setup, entries, params));
}

int kernel_enter(void*, int fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                 const void* argument, std::size_t argument_size) noexcept {
    return errno_or(::syscall(__NR_io_uring_enter, fd, to_submit, min_complete, flags, argument,
                              argument_size));
}

int kernel_register(void*, int fd, unsigned opcode, void* argument, unsigned count) noexcept {
    return errno_or(::syscall(__NR_io_uring_register, fd, opcode, argument, count));
}

int kernel_disabled_setting(void*) noexcept {
    const int fd = ::open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    char text[16] = {};
    const ssize_t size = ::read(fd, text, sizeof text - 1);
    ::close(fd);
    return size > 0 ? std::atoi(text) : -1;
}

void kernel_pause(void*, std::chrono::nanoseconds length) noexcept {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(length);
    timespec left{.tv_sec = static_cast<time_t>(seconds.count()),
                  .tv_nsec = static_cast<long>((length - seconds).count())};
    while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

}  // namespace

const uring_syscalls kernel_syscalls{
    .context = nullptr,
    .setup = kernel_setup,
    .enter = kernel_enter,
    .register_op = kernel_register,
    .disabled_setting = kernel_disabled_setting,
    .pause = kernel_pause,
};

}  // namespace rf::detail
