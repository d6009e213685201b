// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace rf::leakcheck::detail {

/// The name of a socket, as bind and connect take it: an address and a port, a path, an abstract
/// name, or none.
class simulated_address {
public:
    simulated_address() noexcept = default;
    /// A copy of `raw`, cut to what its family uses.
    simulated_address(const sockaddr* raw, socklen_t size);
    /// 127.0.0.1 or ::1.
    [[nodiscard]] static simulated_address loopback(int family, std::uint16_t port);
    /// 0.0.0.0 or ::.
    [[nodiscard]] static simulated_address any(int family, std::uint16_t port);
    /// That of a unix socket which is not bound.
    [[nodiscard]] static simulated_address unnamed();

    /// AF_UNSPEC: no name at all.
    [[nodiscard]] int family() const noexcept;
    [[nodiscard]] bool is_inet() const noexcept {
        return family() == AF_INET || family() == AF_INET6;
    }
    [[nodiscard]] std::uint16_t port() const noexcept;  // 0 without one
    void set_port(std::uint16_t port) noexcept;
    [[nodiscard]] bool is_any() const noexcept;  // 0.0.0.0, ::, or none

    /// Of AF_UNIX: the path, or the abstract name with its zero byte in front; empty if unnamed.
    [[nodiscard]] std::string_view path() const noexcept;
    [[nodiscard]] bool is_abstract() const noexcept {
        return !path().empty() && path().front() == '\0';
    }

    /// Whether there is an address that both are at; with `across`, though of two families.
    [[nodiscard]] bool overlaps(const simulated_address& other, bool across) const noexcept;

    /// As getsockname does: writes what there is room for, and says how much there is.
    void copy_to(sockaddr* out, socklen_t& size) const noexcept;

private:
    [[nodiscard]] std::string_view host() const noexcept;

    std::string raw_;
};

}  // namespace rf::leakcheck::detail
