// SPDX-License-Identifier: MIT
#include <ringfence/io/file.hpp>

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace rf::io {
namespace {

int flags_of(const open_options& options) noexcept {
    const bool write = options.write || options.append;
    int flags = write ? (options.read ? O_RDWR : O_WRONLY) : O_RDONLY;
    if (options.append) flags |= O_APPEND;
    if (options.create) flags |= O_CREAT;
    if (options.exclusive) flags |= O_EXCL;
    if (options.truncate) flags |= O_TRUNC;
    if (options.direct) flags |= O_DIRECT;
    if (options.sync) flags |= O_DSYNC;
    if (options.no_follow) flags |= O_NOFOLLOW;
    return flags;
}

// How read_all grows for a file that has no size (in /proc), or has more than it said.
constexpr std::size_t step_bytes = std::size_t{256} << 10;

}  // namespace

detail::open_awaiter file::open(std::string path, open_options options) {
    // The kernel would refuse a mode without O_CREAT.
    return {std::move(path), flags_of(options), options.create ? options.mode : mode_t{0}};
}

file file::from_descriptor(int fd, std::string path) {
    // Making the state may throw, and then nobody else knows of the descriptor.
    scope_failure close_again([fd] { system_calls::here().close(fd); });
    return file(detail::descriptor_handle<detail::file_state>::make(fd, std::move(path)));
}

task<std::string> file::read_all(std::size_t size_max) {
    const std::uint64_t expected = co_await size();
    std::string text;
    std::size_t done = 0;
    for (;;) {
        // One byte more than expected finds the end without growing again.
        const std::size_t guess = static_cast<std::size_t>(
            std::min<std::uint64_t>(expected + 1, std::uint64_t{size_max} + 1));
        if (text.size() == done)
            text.resize(expected != 0 && guess > done ? guess : done + step_bytes);
        const std::size_t room = std::min(text.size() - done, rf::detail::prep::transfer_max);
        const std::size_t got =
            co_await read_at(done, std::as_writable_bytes(std::span(text).subspan(done, room)));
        done += got;
        if (done > size_max)
            throw_error({"read", EFBIG}, path() + ": longer than the caller allows");
        if (got == 0) break;
    }
    text.resize(done);
    co_return text;
}

task<> file::truncate(std::uint64_t size) {
    co_await this_task::checkpoint();
    int status = 0;
    do
        status = ::ftruncate(native_handle(), static_cast<off_t>(size));
    while (status != 0 && errno == EINTR);
    if (status != 0) {
        const int code = errno;
        throw_failure(request_kind::allocate, "truncate", code, path());
    }
}

}  // namespace rf::io
