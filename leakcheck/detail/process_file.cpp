// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/process_file.hpp>

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

namespace rf::leakcheck::detail {
namespace {

constexpr unsigned memory_devices = 1;  // /dev/null, /dev/zero, /dev/urandom

template <class T>
std::int32_t status(T result) noexcept {
    return result < 0 ? -errno : static_cast<std::int32_t>(result);
}

}  // namespace

process_file::process_file(simulated_kernel& world, int fd, const std::string& path)
    : simulated_object(world, path.empty() ? "file of the process" : "file " + path), fd_(fd),
      direct_((::fcntl(fd, F_GETFL) & O_DIRECT) != 0) {
    struct ::stat about{};
    if (::fstat(fd, &about) != 0) return;
    device_ = about.st_dev;
    inode_ = about.st_ino;
}

bool process_file::is_file(int fd) noexcept {
    struct ::stat about{};
    if (::fstat(fd, &about) != 0) return false;
    return S_ISREG(about.st_mode) || S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode) ||
           (S_ISCHR(about.st_mode) && major(about.st_rdev) == memory_devices);
}

std::size_t process_file::readable() const noexcept {
    struct ::stat about{};
    const bool sized = ::fstat(fd_, &about) == 0 && S_ISREG(about.st_mode) && about.st_size != 0;
    return sized ? static_cast<std::size_t>(about.st_size) : SIZE_MAX;
}

// At the file's position where the request says so, as the kernel takes -1.
io_result process_file::read(const io_span& to, std::uint64_t offset) {
    const std::vector<iovec> parts = to.pieces();
    return status(::preadv2(fd_, parts.data(), static_cast<int>(parts.size()),
                            static_cast<off_t>(offset), 0));
}

io_result process_file::write(const io_span& from, std::uint64_t offset) {
    const std::vector<iovec> parts = from.pieces();
    return status(::pwritev2(fd_, parts.data(), static_cast<int>(parts.size()),
                             static_cast<off_t>(offset), 0));
}

std::int32_t process_file::allocate(int mode, std::uint64_t offset, std::uint64_t size) {
    return status(::fallocate(fd_, mode, static_cast<off_t>(offset), static_cast<off_t>(size)));
}

std::int32_t process_file::synchronise() { return status(::fdatasync(fd_)); }

std::uint32_t process_file::poll_mask() const noexcept { return POLLIN | POLLOUT; }

bool process_file::is_open() const noexcept {
    struct ::stat about{};
    return ::fstat(fd_, &about) == 0 && about.st_dev == device_ && about.st_ino == inode_;
}

void process_file::abandon() noexcept {
    if (is_open()) ::close(fd_);
}

}  // namespace rf::leakcheck::detail
