// SPDX-License-Identifier: MIT
#include "tests/runtime/uring_faults.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace rf::test {

using rf::detail::kernel_syscalls;

faulty_kernel::faulty_kernel() noexcept {
    table_.context = this;
    table_.setup = [](void* self, unsigned entries, io_uring_params* params) noexcept {
        return static_cast<faulty_kernel*>(self)->on_setup(entries, params);
    };
    table_.enter = [](void* self, int fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                      const void* argument, std::size_t size) noexcept {
        return static_cast<faulty_kernel*>(self)->on_enter(fd, to_submit, min_complete, flags,
                                                           argument, size);
    };
    table_.register_op = [](void* self, int fd, unsigned opcode, void* argument,
                            unsigned count) noexcept {
        return static_cast<faulty_kernel*>(self)->on_register(fd, opcode, argument, count);
    };
    table_.disabled_setting = [](void* self) noexcept {
        return static_cast<faulty_kernel*>(self)->disabled_setting;
    };
    table_.pause = [](void* self, std::chrono::nanoseconds length) noexcept {
        static_cast<faulty_kernel*>(self)->pauses.push_back(length);
    };
}

int faulty_kernel::on_setup(unsigned entries, io_uring_params* params) noexcept {
    setups_asked.push_back(*params);
    setup_entries_asked.push_back(entries);
    if (!setups.empty()) {
        const int error = setups.front();
        setups.pop_front();
        return error;
    }
    if ((params->flags & setup_flags_refused) != 0) return -EINVAL;
    if (entries > setup_entries_max) return -ENOMEM;
    const int fd = kernel_syscalls.setup(nullptr, entries, params);
    params->features &= ~setup_features_hidden;
    return fd;
}

int faulty_kernel::on_enter(int fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                            const void* argument, std::size_t size) noexcept {
    ++enters_asked;
    if ((flags & IORING_ENTER_EXT_ARG) != 0) ++timed_enters_asked;
    if (enters.empty())
        return kernel_syscalls.enter(nullptr, fd, to_submit, min_complete, flags, argument, size);
    const entry next = enters.front();
    enters.pop_front();
    if (next.lets_through == 0) return next.result;
    const int taken = kernel_syscalls.enter(nullptr, fd, std::min(to_submit, next.lets_through), 0,
                                            flags, argument, size);
    return next.honest ? taken : next.result;
}

int faulty_kernel::on_register(int fd, unsigned opcode, void* argument, unsigned count) noexcept {
    if (registers_refused[opcode]) return -EINVAL;
    const int result = kernel_syscalls.register_op(nullptr, fd, opcode, argument, count);
    if (opcode == IORING_REGISTER_PROBE && last_opcode) {
        auto* reply = static_cast<std::byte*>(argument);
        reply[offsetof(io_uring_probe, ops_len)] = static_cast<std::byte>(*last_opcode + 1);
    }
    return result;
}

}  // namespace rf::test
