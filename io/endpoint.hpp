// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/result.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace rf::io {

/// The address of one end of an IP connection: an IPv4 or IPv6 address and a port.
class endpoint {
public:
    /// 0.0.0.0:0.
    endpoint() noexcept;
    /// A numeric address ("127.0.0.1", "::1", "[::1]") and a port. Throws io_error (EINVAL) naming
    /// the text if it is neither; names are for the resolver.
    endpoint(std::string_view address, std::uint16_t port);
    endpoint(const char* address, std::uint16_t port) : endpoint(std::string_view(address), port) {}
    endpoint(const sockaddr* raw, socklen_t size) noexcept;

    /// "127.0.0.1:7000" or "[::1]:7000".
    [[nodiscard]] static result<endpoint> parse(std::string_view text);

    /// The end of a socket: its own (getsockname) or the peer's (getpeername).
    [[nodiscard]] static endpoint local_of(int fd) noexcept;
    [[nodiscard]] static endpoint peer_of(int fd) noexcept;

    [[nodiscard]] std::uint16_t port() const noexcept;
    [[nodiscard]] bool is_v6() const noexcept { return storage_.ss_family == AF_INET6; }
    [[nodiscard]] std::string address() const;
    [[nodiscard]] std::string to_string() const;

    [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
    [[nodiscard]] const sockaddr* data() const noexcept {
        return reinterpret_cast<const sockaddr*>(&storage_);
    }
    [[nodiscard]] socklen_t size() const noexcept;

    friend bool operator==(const endpoint& a, const endpoint& b) noexcept;

private:
    sockaddr_storage storage_{};
};

}  // namespace rf::io
