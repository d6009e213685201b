// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/file_operations.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <sys/uio.h>
#include <utility>

namespace rf::io {

/// How a file is opened. Always close-on-exec.
struct open_options {
    bool read = true;
    bool write = false;
    bool append = false;     // every write goes to the end, whatever its offset; implies write
    bool create = false;     // made with `mode` if it is not there
    bool exclusive = false;  // with create: EEXIST if it is there
    bool truncate = false;   // emptied
    bool direct = false;     // O_DIRECT: past the page cache; memory, offsets and sizes aligned
    bool sync = false;       // O_DSYNC: a write returns when the data is on the device
    bool no_follow = false;  // ELOOP if the last component is a symbolic link
    mode_t mode = 0666;      // less the umask
};

class file;

namespace detail {
class [[nodiscard]] open_awaiter final : public file_request<open_awaiter, file> {
public:
    static constexpr request_kind kind = request_kind::open;
    open_awaiter(std::string path, int flags, mode_t mode) noexcept
        : path_(std::move(path)), flags_(flags), mode_(mode) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::openat(sqe, AT_FDCWD, path_.c_str(), flags_, mode_);
    }
    [[nodiscard]] file take(std::int32_t res);
    [[nodiscard]] const char* name() const noexcept { return "open"; }
    [[nodiscard]] std::string about() const { return path_; }

private:
    std::string path_;
    int flags_;
    mode_t mode_;
};
}  // namespace detail

/// An open regular file, read and written at offsets.
///
///     auto log = co_await rf::io::file::open("log", {.write = true, .create = true});
///     co_await log.write_all_at(0, "hello");
///
/// Several tasks may use one file at a time. There is no position: each call says its offset.
/// Memory given to a call stays the caller's, and must live until the call returns.
///
/// At most 64 requests on files are in the kernel for one loop; more wait in line. A request that
/// the device is at work on cannot be called back: cancelling its task waits for it, and what it
/// did counts.
///
/// Cancellation, by operation:
///   open                     total: a descriptor that comes in spite of the cancel is delivered
///   read_at, readv_at        total, as the file does not change
///   write_at, writev_at      total before the device works on it; afterwards it counts and returns
///   write_all_at             partial: `*written` says how much was written
///   read_all, size           total
///   fsync                    total, but "cancelled" means: perhaps not durable
///   allocate, truncate       as write_at
///   close                    never cancelled once begun; cancelled before, the destructor closes
/// Lifetime: outlives every task that uses it; destroying it while one does aborts. The destructor
///   closes through the ring and drops errors that close reports; use close() where they matter.
/// Errors: io_error with operation, errno and path. Full disk, quota and RLIMIT_FSIZE say what to
///   do; note that RLIMIT_FSIZE also raises SIGXFSZ, which ends a process that does not ignore it.
/// Threads: one loop. Cost: one block for the file and its path; operations allocate nothing.
class file {
public:
    /// Not open; every use is refused.
    file() noexcept = default;

    /// Opens `path`. A device may make it wait. A FIFO does so only with `create` or `truncate`:
    /// else the kernel tries without blocking first, and one that nobody writes to opens for
    /// reading at once, while one that nobody reads fails for writing with ENXIO.
    [[nodiscard]] static detail::open_awaiter open(std::string path, open_options options = {});

    /// Takes over a descriptor that somebody else opened; `path` is for messages.
    [[nodiscard]] static file from_descriptor(int fd, std::string path);

    /// Up to `to.size()` bytes from `offset`; fewer near the end of the file, 0 at or past it.
    [[nodiscard]] detail::read_at_awaiter read_at(std::uint64_t offset,
                                                  std::span<std::byte> to) noexcept {
        return {*state_, offset, to};
    }
    [[nodiscard]] detail::vectored_awaiter readv_at(std::uint64_t offset,
                                                    std::span<const iovec> parts) noexcept {
        return {*state_, offset, parts, false};
    }

    /// One write; returns how many bytes it took, which may be fewer.
    [[nodiscard]] detail::write_at_awaiter write_at(std::uint64_t offset,
                                                    std::span<const std::byte> from) noexcept {
        return {*state_, offset, from, false, nullptr};
    }
    [[nodiscard]] detail::vectored_awaiter writev_at(std::uint64_t offset,
                                                     std::span<const iovec> parts) noexcept {
        return {*state_, offset, parts, true};
    }

    /// Writes all of it and returns its size. `written`, if given, always says how much is in the
    /// file: after an error and after a cancel too.
    [[nodiscard]] detail::write_at_awaiter write_all_at(std::uint64_t offset,
                                                        std::span<const std::byte> from,
                                                        std::size_t* written = nullptr) noexcept {
        return {*state_, offset, from, true, written};
    }
    [[nodiscard]] detail::write_at_awaiter write_all_at(std::uint64_t offset, std::string_view text,
                                                        std::size_t* written = nullptr) noexcept {
        return write_all_at(offset, std::as_bytes(std::span(text)), written);
    }

    /// The whole file, from the start to its end. EFBIG if it is longer than `size_max` bytes.
    [[nodiscard]] task<std::string> read_all(std::size_t size_max = std::size_t{64} << 20);

    /// Returns when what was written before is on the device. `data_only` leaves out what is not
    /// needed to read it back, such as the time of the change.
    [[nodiscard]] detail::sync_awaiter fsync(bool data_only = false) noexcept {
        return {*state_, data_only};
    }

    /// In bytes.
    [[nodiscard]] detail::size_awaiter size() noexcept { return detail::size_awaiter(*state_); }

    /// Makes sure that `size` bytes from `offset` can be written without ENOSPC; the file grows.
    /// `mode`: flags of fallocate(2).
    [[nodiscard]] detail::allocate_awaiter allocate(std::uint64_t offset, std::uint64_t size,
                                                    int mode = 0) noexcept {
        return {*state_, mode, offset, size};
    }

    /// Cuts the file, or makes it longer by zeros. A plain system call: kernels before 6.9 have no
    /// request for it.
    [[nodiscard]] task<> truncate(std::uint64_t size);

    /// Closes, and reports what close(2) reports (EIO, ENOSPC, EDQUOT on network file systems). The
    /// file is closed in any case and the handle is empty from the call on.
    [[nodiscard]] detail::close_awaiter close() noexcept {
        (void)*state_;
        return detail::close_awaiter(std::move(state_));
    }

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    [[nodiscard]] const std::string& path() const noexcept { return state_->path(); }
    /// For ioctl and its kin. Not to be closed.
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }

private:
    explicit file(detail::descriptor_handle<detail::file_state> state) noexcept
        : state_(std::move(state)) {}

    detail::descriptor_handle<detail::file_state> state_;
};

// Implementation

namespace detail {
inline file open_awaiter::take(std::int32_t res) {
    return file::from_descriptor(res, std::move(path_));
}
}  // namespace detail

}  // namespace rf::io
