// SPDX-License-Identifier: MIT
#pragma once
// umbrella: no, for drivers and I/O objects only

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/socket.h>

namespace rf {

/// What I/O objects ask of the kernel by system call rather than by request: to make descriptors,
/// to name them, and what has to happen at once. The other half of the seam that `driver` is.
///
/// The functions are the system calls of their names, on the process's descriptors. A driver that
/// acts requests out in memory has its own (driver::calls()), so that what a program opens and what
/// it submits meet in one kernel.
///
/// Errors: each returns a negative errno; otherwise 0, or the descriptor or count asked for.
/// Threads: the loop's. Cost: a virtual call beside a system call; not for paths that are hot.
class system_calls {
public:
    system_calls() = default;
    system_calls(const system_calls&) = delete;
    system_calls& operator=(const system_calls&) = delete;
    virtual ~system_calls() = default;

    /// Those of the kernel under the calling thread's loop; without one, the process's own.
    [[nodiscard]] static system_calls& here() noexcept;
    /// The process's own.
    [[nodiscard]] static system_calls& of_process() noexcept;

    // What is made is close-on-exec and blocking: the ring waits better than EAGAIN does.

    [[nodiscard]] virtual int socket(int family, int type) noexcept;
    [[nodiscard]] virtual int socket_pair(int family, int type, int (&ends)[2]) noexcept;
    /// `ends[0]` is read from.
    [[nodiscard]] virtual int pipe(int (&ends)[2]) noexcept;
    /// Whoever opened it.
    virtual int close(int fd) noexcept;

    [[nodiscard]] virtual int set_option(int fd, int level, int name, const void* value,
                                         socklen_t size) noexcept;
    [[nodiscard]] virtual int bind(int fd, const sockaddr* name, socklen_t size) noexcept;
    [[nodiscard]] virtual int listen(int fd, int backlog) noexcept;
    /// Of datagram sockets, which need not wait for it.
    [[nodiscard]] virtual int connect(int fd, const sockaddr* name, socklen_t size) noexcept;
    /// `size` comes with the room at `name`, and goes with what was written there.
    [[nodiscard]] virtual int local_name(int fd, sockaddr* name, socklen_t& size) noexcept;
    [[nodiscard]] virtual int peer_name(int fd, sockaddr* name, socklen_t& size) noexcept;
    /// Removes the path of a unix socket.
    virtual int unlink(const char* path) noexcept;

    // At once: EAGAIN where they would have to wait.

    /// Takes up to `out.size()` connections from a listener's backlog. Returns how many.
    [[nodiscard]] virtual int accept_now(int fd, std::span<int> out) noexcept;
    [[nodiscard]] virtual std::int64_t receive_now(int fd, std::span<std::byte> to) noexcept;
    virtual int shut_down(int fd, int how) noexcept;
};

}  // namespace rf
