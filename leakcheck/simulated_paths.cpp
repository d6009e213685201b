// SPDX-License-Identifier: MIT
// Requests on paths: the plain system calls, at the moment at which the request completes. A file
// never keeps anybody waiting for long, so nothing about it has to be acted out.
#include <ringfence/leakcheck/detail/process_file.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rf::leakcheck {
namespace {

template <class T>
T* pointer(std::uint64_t address) {
    return reinterpret_cast<T*>(address);
}

std::int32_t status(int result) noexcept { return result < 0 ? -errno : result; }

/// Where the second path of those that name two is in the entry.
std::uint64_t other_path_of(const io_uring_sqe& sqe) {
    switch (sqe.opcode) {
    case IORING_OP_RENAMEAT:
    case IORING_OP_LINKAT:
    case IORING_OP_SYMLINKAT: return sqe.addr2;
    default: return 0;
    }
}

/// Of a file in memory, what fstat says of any.
std::int32_t describe_to(struct ::statx& out, const detail::simulated_object& opened) {
    out = {};
    out.stx_mask = STATX_TYPE | STATX_SIZE;
    out.stx_mode = static_cast<std::uint16_t>(opened.is_socket()   ? S_IFSOCK
                                              : opened.in_worker() ? S_IFREG
                                                                   : S_IFIFO);
    out.stx_size = opened.in_worker() ? opened.readable() : 0;
    return 0;
}

}  // namespace

std::int32_t simulated_kernel::import_path(request& fresh) {
    const io_uring_sqe& sqe = *fresh.sqe;
    if (const auto* path = pointer<const char>(sqe.addr); path != nullptr) fresh.path = path;
    if (const auto* path = pointer<const char>(other_path_of(sqe)); path != nullptr)
        fresh.other_path = path;
    if (sqe.fd >= 0) fresh.object = find(sqe.fd);
    return 0;
}

std::int32_t simulated_kernel::attempt_path(const request& which) {
    const io_uring_sqe& sqe = *which.sqe;
    const char* const path = which.path.c_str();
    const char* const other = which.other_path.c_str();
    switch (sqe.opcode) {
    case IORING_OP_OPENAT: return open_path(which);
    case IORING_OP_STATX: {
        auto& out = *pointer<struct ::statx>(sqe.off);
        const bool in_memory = which.object != nullptr && !detail::process_file::is_file(sqe.fd);
        if (in_memory) return describe_to(out, *which.object);
        return status(::statx(sqe.fd, path, static_cast<int>(sqe.statx_flags), sqe.len, &out));
    }
    case IORING_OP_RENAMEAT:
        return status(
            ::renameat2(sqe.fd, path, static_cast<int>(sqe.len), other, sqe.rename_flags));
    case IORING_OP_UNLINKAT:
        if (forget_path(which.path)) return 0;  // of a unix socket
        return status(::unlinkat(sqe.fd, path, static_cast<int>(sqe.unlink_flags)));
    case IORING_OP_MKDIRAT: return status(::mkdirat(sqe.fd, path, sqe.len));
    case IORING_OP_LINKAT:
        return status(::linkat(sqe.fd, path, static_cast<int>(sqe.len), other,
                               static_cast<int>(sqe.hardlink_flags)));
    case IORING_OP_SYMLINKAT: return status(::symlinkat(path, sqe.fd, other));
    default: return -EINVAL;
    }
}

std::int32_t simulated_kernel::open_path(const request& which) {
    if (table_.size() >= options_.descriptors_max) return -EMFILE;
    const io_uring_sqe& sqe = *which.sqe;
    const char* const path = which.path.c_str();
    const int flags = static_cast<int>(sqe.open_flags);
    // Without waiting, should it be a FIFO after all.
    const int fd = ::openat(sqe.fd, path, flags | O_NONBLOCK, static_cast<mode_t>(sqe.len));
    if (fd < 0) return -errno;
    if (!detail::process_file::is_file(fd)) {
        ::close(fd);
        refuse(fmt::format("the open of {} was refused: it is neither a file nor a directory, and "
                           "the simulated kernel cannot wait for it. Use make_pipe inside of the "
                           "test, or run the test on the real kernel with rf::run",
                           which.path));
        return -EBADFD;
    }
    if ((flags & O_NONBLOCK) == 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    table_.insert_or_assign(fd, std::make_shared<detail::process_file>(*this, fd, which.path));
    return fd;
}

}  // namespace rf::leakcheck
