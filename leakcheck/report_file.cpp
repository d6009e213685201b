// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/report_file.hpp>

#include <ringfence/runtime/error.hpp>

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace rf::leakcheck::detail {
namespace {

/// 0, or the errno.
int write_all(int fd, std::string_view bytes) noexcept {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

std::string_view hint_for(int code) noexcept {
    switch (code) {
    case ENOSPC: return "the report is not complete: free some space, or write it elsewhere";
    case EDQUOT: return "the report is not complete: the quota is used up; write it elsewhere";
    case EAGAIN: return "give it a descriptor that blocks";
    default: return {};
    }
}

}  // namespace

void write_report(int fd, std::string_view bytes, const std::string& what) {
    if (const int code = write_all(fd, bytes); code != 0)
        throw_error(rf::error("write", code), what, hint_for(code));
}

void write_report_file(const std::string& path, std::string_view bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) throw_error(rf::error("open", errno), path);
    struct stat status = {};
    const bool regular = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    int code = write_all(fd, bytes);
    // Some file systems say only here that the disk was full.
    if (::close(fd) != 0 && code == 0) code = errno;
    if (code == 0) return;
    if (regular) (void)::unlink(path.c_str());
    throw_error(rf::error("write", code), path, hint_for(code));
}

}  // namespace rf::leakcheck::detail
