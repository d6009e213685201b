// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/system_calls.hpp>

namespace rf::leakcheck::detail {

/// The system calls of a simulated kernel: what I/O objects make under it is known to it alone.
/// Descriptors of the process keep the real ones.
class simulated_calls final : public system_calls {
public:
    explicit simulated_calls(simulated_kernel& world) noexcept : world_(world) {}

    [[nodiscard]] int socket(int family, int type) noexcept override;
    [[nodiscard]] int socket_pair(int family, int type, int (&ends)[2]) noexcept override;
    [[nodiscard]] int pipe(int (&ends)[2]) noexcept override;
    int close(int fd) noexcept override;

    [[nodiscard]] int set_option(int fd, int level, int name, const void* value,
                                 socklen_t size) noexcept override;
    [[nodiscard]] int bind(int fd, const sockaddr* name, socklen_t size) noexcept override;
    [[nodiscard]] int listen(int fd, int backlog) noexcept override;
    [[nodiscard]] int local_name(int fd, sockaddr* name, socklen_t& size) noexcept override;
    [[nodiscard]] int peer_name(int fd, sockaddr* name, socklen_t& size) noexcept override;
    int unlink(const char* path) noexcept override;

    [[nodiscard]] int accept_now(int fd, std::span<int> out) noexcept override;
    [[nodiscard]] std::int64_t receive_now(int fd, std::span<std::byte> to) noexcept override;
    int shut_down(int fd, int how) noexcept override;

private:
    simulated_kernel& world_;
};

}  // namespace rf::leakcheck::detail
