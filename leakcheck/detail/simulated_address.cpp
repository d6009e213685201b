// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/simulated_address.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <sys/un.h>

namespace rf::leakcheck::detail {
namespace {

constexpr std::size_t port_at = offsetof(sockaddr_in, sin_port);
static_assert(port_at == offsetof(sockaddr_in6, sin6_port));
constexpr std::size_t path_at = offsetof(sockaddr_un, sun_path);

}  // namespace

simulated_address::simulated_address(const sockaddr* raw, socklen_t size) {
    if (size < sizeof(sa_family_t)) return;
    std::size_t wanted = size;
    switch (raw->sa_family) {
    case AF_INET: wanted = sizeof(sockaddr_in); break;
    case AF_INET6: wanted = sizeof(sockaddr_in6); break;
    default: break;
    }
    raw_.assign(reinterpret_cast<const char*>(raw), std::min<std::size_t>(size, wanted));
    raw_.resize(wanted);
}

simulated_address simulated_address::any(int family, std::uint16_t port) {
    sockaddr_in6 raw{};
    raw.sin6_family = static_cast<sa_family_t>(family);
    raw.sin6_port = htons(port);  // at the same place for both families
    return {reinterpret_cast<const sockaddr*>(&raw), sizeof raw};
}

simulated_address simulated_address::loopback(int family, std::uint16_t port) {
    simulated_address made = any(family, port);
    const in_addr four{htonl(INADDR_LOOPBACK)};
    if (family == AF_INET6)
        std::memcpy(&made.raw_[offsetof(sockaddr_in6, sin6_addr)], &in6addr_loopback,
                    sizeof in6addr_loopback);
    else
        std::memcpy(&made.raw_[offsetof(sockaddr_in, sin_addr)], &four, sizeof four);
    return made;
}

simulated_address simulated_address::unnamed() {
    const sockaddr raw{.sa_family = AF_UNIX, .sa_data = {}};
    return {&raw, sizeof raw.sa_family};
}

int simulated_address::family() const noexcept {
    sa_family_t family = AF_UNSPEC;
    if (raw_.size() >= sizeof family) std::memcpy(&family, raw_.data(), sizeof family);
    return family;
}

std::uint16_t simulated_address::port() const noexcept {
    if (!is_inet()) return 0;
    in_port_t port = 0;
    std::memcpy(&port, raw_.data() + port_at, sizeof port);
    return ntohs(port);
}

void simulated_address::set_port(std::uint16_t port) noexcept {
    const in_port_t raw = htons(port);
    std::memcpy(raw_.data() + port_at, &raw, sizeof raw);
}

std::string_view simulated_address::host() const noexcept {
    const std::string_view all = raw_;
    switch (family()) {
    case AF_INET: return all.substr(offsetof(sockaddr_in, sin_addr), sizeof(in_addr));
    case AF_INET6: return all.substr(offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr));
    default: return {};
    }
}

bool simulated_address::is_any() const noexcept {
    const std::string_view bytes = host();
    return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == '\0'; });
}

std::string_view simulated_address::path() const noexcept {
    if (family() != AF_UNIX || raw_.size() <= path_at) return {};
    const std::string_view name = std::string_view(raw_).substr(path_at);
    // A path ends with a zero byte, an abstract name begins with one.
    return name.front() == '\0' ? name : name.substr(0, name.find('\0'));
}

bool simulated_address::overlaps(const simulated_address& other, bool across) const noexcept {
    if (!is_inet() || !other.is_inet() || port() != other.port()) return false;
    // The families have ports of their own: a listener is for one, unless it says otherwise.
    if (family() != other.family()) return across;
    return is_any() || other.is_any() || host() == other.host();
}

void simulated_address::copy_to(sockaddr* out, socklen_t& size) const noexcept {
    std::memcpy(out, raw_.data(), std::min<std::size_t>(size, raw_.size()));
    size = static_cast<socklen_t>(raw_.size());
}

}  // namespace rf::leakcheck::detail
