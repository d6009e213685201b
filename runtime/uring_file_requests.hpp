// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for drivers and operations only

#include <ringfence/runtime/uring_requests.hpp>

#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <span>
#include <sys/stat.h>
#include <sys/uio.h>

/// Requests on files, pipes and directories. The rules are those of uring_requests.hpp.
namespace rf::detail::prep {

/// The offset that means "at the file's position", for what has no other: pipes, terminals.
inline constexpr std::uint64_t offset_current = ~std::uint64_t{0};

inline void read(io_uring_sqe& sqe, int fd, void* data, std::size_t size,
                 std::uint64_t offset) noexcept {
    request(sqe, IORING_OP_READ, fd, address(data), length(size), offset);
}

inline void write(io_uring_sqe& sqe, int fd, const void* data, std::size_t size,
                  std::uint64_t offset) noexcept {
    request(sqe, IORING_OP_WRITE, fd, address(data), length(size), offset);
}

/// The array itself may go once the entry has been handed over; what it points to may not.
inline void readv(io_uring_sqe& sqe, int fd, std::span<const iovec> parts,
                  std::uint64_t offset) noexcept {
    request(sqe, IORING_OP_READV, fd, address(parts.data()), length(parts.size()), offset);
}

inline void writev(io_uring_sqe& sqe, int fd, std::span<const iovec> parts,
                   std::uint64_t offset) noexcept {
    request(sqe, IORING_OP_WRITEV, fd, address(parts.data()), length(parts.size()), offset);
}

/// Moves at most `size` bytes; one of the two ends is a pipe and takes offset_current.
inline void splice(io_uring_sqe& sqe, int from, std::uint64_t from_offset, int to,
                   std::uint64_t to_offset, std::size_t size, std::uint32_t flags = 0) noexcept {
    request(sqe, IORING_OP_SPLICE, to, 0, length(size), to_offset);
    sqe.splice_off_in = from_offset;
    sqe.splice_fd_in = from;
    sqe.splice_flags = flags;
}

/// With `data_only`, as fdatasync. Cancelled before it began, it has made nothing durable.
inline void fsync(io_uring_sqe& sqe, int fd, bool data_only = false) noexcept {
    request(sqe, IORING_OP_FSYNC, fd, 0, 0);
    sqe.fsync_flags = data_only ? IORING_FSYNC_DATASYNC : 0;
}

inline void fallocate(io_uring_sqe& sqe, int fd, int mode, std::uint64_t offset,
                      std::uint64_t size) noexcept {
    request(sqe, IORING_OP_FALLOCATE, fd, size, static_cast<std::uint32_t>(mode), offset);
}

/// Only when nothing on the descriptor is in flight: closing ends no request.
inline void close(io_uring_sqe& sqe, int fd) noexcept { request(sqe, IORING_OP_CLOSE, fd, 0, 0); }

// Paths. `folder` is a directory's descriptor, or AT_FDCWD.

/// The new descriptor is always close-on-exec.
inline void openat(io_uring_sqe& sqe, int folder, const char* path, int flags,
                   mode_t mode = 0) noexcept {
    request(sqe, IORING_OP_OPENAT, folder, address(path), mode);
    sqe.open_flags = static_cast<std::uint32_t>(flags | O_CLOEXEC);
}

inline void statx(io_uring_sqe& sqe, int folder, const char* path, int flags, unsigned mask,
                  struct ::statx* result) noexcept {
    request(sqe, IORING_OP_STATX, folder, address(path), mask, address(result));
    sqe.statx_flags = static_cast<std::uint32_t>(flags);
}

inline void renameat(io_uring_sqe& sqe, int from_folder, const char* from, int to_folder,
                     const char* to, std::uint32_t flags = 0) noexcept {
    request(sqe, IORING_OP_RENAMEAT, from_folder, address(from),
            static_cast<std::uint32_t>(to_folder), address(to));
    sqe.rename_flags = flags;
}

inline void unlinkat(io_uring_sqe& sqe, int folder, const char* path, int flags = 0) noexcept {
    request(sqe, IORING_OP_UNLINKAT, folder, address(path), 0);
    sqe.unlink_flags = static_cast<std::uint32_t>(flags);
}

inline void mkdirat(io_uring_sqe& sqe, int folder, const char* path, mode_t mode) noexcept {
    request(sqe, IORING_OP_MKDIRAT, folder, address(path), mode);
}

inline void linkat(io_uring_sqe& sqe, int from_folder, const char* from, int to_folder,
                   const char* to, int flags = 0) noexcept {
    request(sqe, IORING_OP_LINKAT, from_folder, address(from),
            static_cast<std::uint32_t>(to_folder), address(to));
    sqe.hardlink_flags = static_cast<std::uint32_t>(flags);
}

inline void symlinkat(io_uring_sqe& sqe, const char* target, int folder,
                      const char* path) noexcept {
    request(sqe, IORING_OP_SYMLINKAT, folder, address(target), 0, address(path));
}

}  // namespace rf::detail::prep
