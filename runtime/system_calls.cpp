// SPDX-License-Identifier: MIT
#include <ringfence/runtime/system_calls.hpp>

#include <ringfence/runtime/loop.hpp>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace rf {
namespace {

int status(int result) noexcept { return result < 0 ? -errno : result; }

}  // namespace

system_calls& system_calls::of_process() noexcept {
    static constinit system_calls plain;
    return plain;
}

system_calls& system_calls::here() noexcept {
    loop* const owner = loop::current();
    return owner != nullptr ? owner->kernel().calls() : of_process();
}

system_calls& driver::calls() noexcept { return system_calls::of_process(); }

int system_calls::socket(int family, int type) noexcept {
    return status(::socket(family, type | SOCK_CLOEXEC, 0));
}

int system_calls::socket_pair(int family, int type, int (&ends)[2]) noexcept {
    return status(::socketpair(family, type | SOCK_CLOEXEC, 0, ends));
}

int system_calls::pipe(int (&ends)[2]) noexcept { return status(::pipe2(ends, O_CLOEXEC)); }

int system_calls::close(int fd) noexcept { return status(::close(fd)); }

int system_calls::set_option(int fd, int level, int name, const void* value,
                             socklen_t size) noexcept {
    return status(::setsockopt(fd, level, name, value, size));
}

int system_calls::bind(int fd, const sockaddr* name, socklen_t size) noexcept {
    return status(::bind(fd, name, size));
}

int system_calls::listen(int fd, int backlog) noexcept { return status(::listen(fd, backlog)); }

int system_calls::connect(int fd, const sockaddr* name, socklen_t size) noexcept {
    return status(::connect(fd, name, size));
}

int system_calls::local_name(int fd, sockaddr* name, socklen_t& size) noexcept {
    return status(::getsockname(fd, name, &size));
}

int system_calls::peer_name(int fd, sockaddr* name, socklen_t& size) noexcept {
    return status(::getpeername(fd, name, &size));
}

int system_calls::unlink(const char* path) noexcept { return status(::unlink(path)); }

int system_calls::accept_now(int fd, std::span<int> out) noexcept {
    // There is no flag for one call, as MSG_DONTWAIT is elsewhere.
    const int flags = ::fcntl(fd, F_GETFL);
    ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    std::size_t taken = 0;
    int failed = 0;
    while (taken < out.size() && failed == 0) {
        const int connection = ::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);
        if (connection >= 0)
            out[taken++] = connection;
        else
            failed = errno;
    }
    ::fcntl(fd, F_SETFL, flags);
    return taken != 0 || failed == 0 ? static_cast<int>(taken) : -failed;
}

std::int64_t system_calls::receive_now(int fd, std::span<std::byte> to) noexcept {
    const ssize_t size = ::recv(fd, to.data(), to.size(), MSG_DONTWAIT);
    return size < 0 ? -errno : size;
}

int system_calls::shut_down(int fd, int how) noexcept { return status(::shutdown(fd, how)); }

}  // namespace rf
