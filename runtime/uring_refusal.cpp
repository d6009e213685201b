// SPDX-License-Identifier: MIT
#include <ringfence/runtime/uring_refusal.hpp>

#include <ringfence/runtime/uring_constants.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <sys/resource.h>
#include <sys/utsname.h>

namespace rf::detail {
namespace {

std::string kernel_release() {
    utsname name{};
    return ::uname(&name) == 0 ? name.release : "unknown";
}

std::string limit(auto resource, rlim_t unit, const char* unit_name) {
    rlimit value{};
    if (::getrlimit(resource, &value) != 0) return "unknown";
    if (value.rlim_cur == RLIM_INFINITY) return "unlimited";
    return fmt::format("{}{}", value.rlim_cur / unit, unit_name);
}

std::string explain_forbidden(int error, const uring_syscalls& syscalls) {
    switch (syscalls.disabled_setting(syscalls.context)) {
    case 2:
        return "io_uring is switched off on this machine (kernel.io_uring_disabled is 2): set it "
               "to "
               "0 with `sysctl kernel.io_uring_disabled=0`";
    case 1:
        return "io_uring is kept for privileged processes on this machine "
               "(kernel.io_uring_disabled is 1): set it to 0, name a group of this user in "
               "kernel.io_uring_group, or grant CAP_SYS_ADMIN";
    default:
        return fmt::format(
            "io_uring is forbidden to this process ({}) although kernel.io_uring_disabled does not "
            "say so: a seccomp filter or security module does, as container runtimes have by "
            "default; allow io_uring_setup, io_uring_enter and io_uring_register in its profile",
            std::strerror(error));
    }
}

}  // namespace

std::string explain_setup_error(int error, const uring_syscalls& syscalls) {
    switch (error) {
    case ENOSYS:
        return fmt::format("this kernel ({}) has no io_uring: it is older than 5.1, was built "
                           "without CONFIG_IO_URING, or a sandbox hides it; ringfence needs Linux "
                           "5.15 or newer, and 6.1 to be fast",
                           kernel_release());
    case EPERM:
    case EACCES: return explain_forbidden(error, syscalls);
    case ENOMEM:
        return fmt::format(
            "no memory for even a small io_uring: RLIMIT_MEMLOCK is {} and is shared by all rings "
            "of this user; raise it (`ulimit -l`, LimitMEMLOCK= in a systemd unit, --ulimit "
            "memlock= for a container) or run fewer loops",
            limit(RLIMIT_MEMLOCK, 1024, " KiB"));
    case EMFILE:
        return fmt::format("no descriptor left for an io_uring: RLIMIT_NOFILE is {}; raise it "
                           "(`ulimit -n`, LimitNOFILE= in a systemd unit) or close some",
                           limit(RLIMIT_NOFILE, 1, ""));
    case ENFILE: return "no descriptor left on this machine for an io_uring: raise fs.file-max";
    case EINVAL:
        return fmt::format("this kernel ({}) refuses even the plainest io_uring of the size asked "
                           "for: ask for fewer entries, or use Linux 5.15 or newer",
                           kernel_release());
    default:
        return fmt::format("io_uring cannot be set up: {} (errno {})", std::strerror(error), error);
    }
}

std::string explain_old_kernel(std::uint32_t features_found) {
    const std::uint32_t missing = abi::features_floor & ~features_found;
    return fmt::format("the io_uring of this kernel ({}) is too old ({}): ringfence needs Linux "
                       "5.15 or newer, and 6.1 to be fast",
                       kernel_release(),
                       missing != 0 ? fmt::format("it lacks features {:#x}", missing)
                                    : "it lacks operations that 5.15 has");
}

std::string explain_unknown_feature(std::string_view name) {
    return fmt::format("RF_DISABLE names `{}`, which is no feature of io_uring that ringfence "
                       "knows: remove it, or see kernel_features in runtime/features.hpp for the "
                       "names",
                       name);
}

}  // namespace rf::detail
