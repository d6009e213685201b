// SPDX-License-Identifier: MIT
#include <ringfence/io/directory.hpp>

#include <ringfence/runtime/checkpoint.hpp>

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <linux/fs.h>
#include <memory>
#include <string_view>
#include <sys/stat.h>

namespace rf::io {
namespace {

file_type type_of(unsigned mode) noexcept {
    switch (mode & S_IFMT) {
    case S_IFREG: return file_type::regular;
    case S_IFDIR: return file_type::directory;
    case S_IFLNK: return file_type::symlink;
    case S_IFIFO: return file_type::fifo;
    case S_IFSOCK: return file_type::socket;
    case S_IFBLK: return file_type::block_device;
    case S_IFCHR: return file_type::character_device;
    default: return file_type::unknown;
    }
}

[[noreturn]] void fail(const char* name, int code, const std::string& path) {
    throw_failure(request_kind::path, name, code, path);
}

}  // namespace

namespace detail {

void path_awaiter::prepare(io_uring_sqe& sqe) noexcept {
    namespace prep = rf::detail::prep;
    const char* first = first_.c_str();
    const char* second = second_.c_str();
    switch (verb_) {
    case path_verb::rename: prep::renameat(sqe, AT_FDCWD, first, AT_FDCWD, second); break;
    case path_verb::rename_new:
        prep::renameat(sqe, AT_FDCWD, first, AT_FDCWD, second, RENAME_NOREPLACE);
        break;
    case path_verb::unlink: prep::unlinkat(sqe, AT_FDCWD, first); break;
    case path_verb::remove_directory: prep::unlinkat(sqe, AT_FDCWD, first, AT_REMOVEDIR); break;
    case path_verb::make_directory: prep::mkdirat(sqe, AT_FDCWD, first, mode_); break;
    case path_verb::link: prep::linkat(sqe, AT_FDCWD, first, AT_FDCWD, second); break;
    case path_verb::symlink: prep::symlinkat(sqe, first, AT_FDCWD, second); break;
    }
}

const char* path_awaiter::name() const noexcept {
    switch (verb_) {
    case path_verb::rename:
    case path_verb::rename_new: return "rename";
    case path_verb::unlink: return "unlink";
    case path_verb::remove_directory: return "rmdir";
    case path_verb::make_directory: return "mkdir";
    case path_verb::link: return "link";
    case path_verb::symlink: return "symlink";
    }
    return "";
}

file_status status_awaiter::take(std::int32_t) const noexcept {
    using namespace std::chrono;
    file_status result;
    result.type = type_of(raw_.stx_mode);
    result.permissions = raw_.stx_mode & 07777U;
    result.size = raw_.stx_size;
    result.inode = raw_.stx_ino;
    result.device = std::uint64_t{raw_.stx_dev_major} << 32 | raw_.stx_dev_minor;
    result.links = raw_.stx_nlink;
    result.owner = raw_.stx_uid;
    result.group = raw_.stx_gid;
    result.modified = system_clock::time_point(duration_cast<system_clock::duration>(
        seconds(raw_.stx_mtime.tv_sec) + nanoseconds(raw_.stx_mtime.tv_nsec)));
    return result;
}

}  // namespace detail

const char* to_string(file_type type) noexcept {
    constexpr const char* names[] = {"file",   "directory",    "symbolic link",    "fifo",
                                     "socket", "block device", "character device", "unknown"};
    return names[static_cast<std::size_t>(type)];
}

detail::status_awaiter status(std::string path) { return {std::move(path), true}; }
detail::status_awaiter link_status(std::string path) { return {std::move(path), false}; }

detail::path_awaiter rename(std::string from, std::string to) {
    return {detail::path_verb::rename, std::move(from), std::move(to)};
}
detail::path_awaiter rename_new(std::string from, std::string to) {
    return {detail::path_verb::rename_new, std::move(from), std::move(to)};
}
detail::path_awaiter unlink(std::string path) {
    return {detail::path_verb::unlink, std::move(path), {}};
}
detail::path_awaiter remove_directory(std::string path) {
    return {detail::path_verb::remove_directory, std::move(path), {}};
}
detail::path_awaiter make_directory(std::string path, mode_t mode) {
    return {detail::path_verb::make_directory, std::move(path), {}, mode};
}
detail::path_awaiter link(std::string existing, std::string made) {
    return {detail::path_verb::link, std::move(existing), std::move(made)};
}
detail::path_awaiter symlink(std::string target, std::string made) {
    return {detail::path_verb::symlink, std::move(target), std::move(made)};
}

task<bool> exists(std::string path) {
    auto found = co_await as_result(status(path));
    if (found) co_return true;
    const int code = found.error().code();
    if (code != ENOENT && code != ENOTDIR) fail("stat", code, path);
    co_return false;
}

task<std::vector<directory_entry>> list(std::string path) {
    co_await this_task::checkpoint();
    struct closer {
        void operator()(DIR* folder) const noexcept { ::closedir(folder); }
    };
    // opendir opens close-on-exec.
    const std::unique_ptr<DIR, closer> folder(::opendir(path.c_str()));
    if (folder == nullptr) fail("list", errno, path);
    std::vector<directory_entry> entries;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(folder.get());
        if (entry == nullptr) {
            if (errno != 0) fail("list", errno, path);
            break;
        }
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..")
            entries.push_back({std::string(name), type_of(DTTOIF(entry->d_type))});
    }
    std::sort(entries.begin(), entries.end(),
              [](const directory_entry& a, const directory_entry& b) { return a.name < b.name; });
    co_return entries;
}

}  // namespace rf::io
