// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/path_operations.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

/// Operations on paths.
///
/// All but list() are requests to the kernel, carried out by its worker threads: they take their
/// turn among at most 64 requests on files of one loop.
///
/// Cancellation: total before the kernel works on the request; after that the task waits for it,
///   and what was done counts and is returned.
/// Errors: io_error with operation, errno and path or paths.
/// Threads: one loop. Cost: no allocation but for paths longer than 15 bytes.
namespace rf::io {

enum class file_type : std::uint8_t {
    regular,
    directory,
    symlink,
    fifo,
    socket,
    block_device,
    character_device,
    unknown
};

[[nodiscard]] const char* to_string(file_type type) noexcept;

struct file_status {
    file_type type = file_type::unknown;
    mode_t permissions = 0;   // the low 12 bits
    std::uint64_t size = 0;   // bytes
    std::uint64_t inode = 0;  // with `device`, what tells one file from another
    std::uint64_t device = 0;
    std::uint32_t links = 0;
    uid_t owner = 0;
    gid_t group = 0;
    std::chrono::system_clock::time_point modified;
};

struct directory_entry {
    std::string name;
    file_type type = file_type::unknown;  // unknown where the file system does not say
};

/// What `path` is; through symbolic links, or the link itself.
[[nodiscard]] detail::status_awaiter status(std::string path);
[[nodiscard]] detail::status_awaiter link_status(std::string path);

/// Whether `path` leads to something. Errors other than ENOENT and ENOTDIR are thrown.
[[nodiscard]] task<bool> exists(std::string path);

/// Gives `from` the name `to`, in one step; what had that name is gone.
[[nodiscard]] detail::path_awaiter rename(std::string from, std::string to);
/// The same, but EEXIST if there is something of that name.
[[nodiscard]] detail::path_awaiter rename_new(std::string from, std::string to);

[[nodiscard]] detail::path_awaiter unlink(std::string path);
/// ENOTEMPTY if anything is in it.
[[nodiscard]] detail::path_awaiter remove_directory(std::string path);
/// `mode` less the umask.
[[nodiscard]] detail::path_awaiter make_directory(std::string path, mode_t mode = 0777);
/// A second name, `made`, for the file `existing`.
[[nodiscard]] detail::path_awaiter link(std::string existing, std::string made);
/// A symbolic link `made` that says `target`, which need not exist.
[[nodiscard]] detail::path_awaiter symlink(std::string target, std::string made);

/// The entries of a directory by name, without "." and "..". Plain system calls, because io_uring
/// has no request for it: the loop stands still meanwhile, about 1 ms for 10,000 entries in memory.
/// A cancel point at its start; cancelled there, nothing is open.
[[nodiscard]] task<std::vector<directory_entry>> list(std::string path);

}  // namespace rf::io
