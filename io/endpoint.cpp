// SPDX-License-Identifier: MIT
#include <ringfence/io/endpoint.hpp>

#include <ringfence/runtime/system_calls.hpp>

#include <fmt/format.h>

#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>

namespace rf::io {
namespace {

sockaddr_in* v4(sockaddr_storage& storage) { return reinterpret_cast<sockaddr_in*>(&storage); }
sockaddr_in6* v6(sockaddr_storage& storage) { return reinterpret_cast<sockaddr_in6*>(&storage); }

bool fill(sockaddr_storage& storage, std::string_view address, std::uint16_t port) {
    if (address.size() >= 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    const std::string text(address);
    if (inet_pton(AF_INET, text.c_str(), &v4(storage)->sin_addr) == 1) {
        storage.ss_family = AF_INET;
        v4(storage)->sin_port = htons(port);
        return true;
    }
    storage = {};
    if (inet_pton(AF_INET6, text.c_str(), &v6(storage)->sin6_addr) == 1) {
        storage.ss_family = AF_INET6;
        v6(storage)->sin6_port = htons(port);
        return true;
    }
    return false;
}

constexpr error malformed{"parse address", EINVAL};

}  // namespace

endpoint::endpoint() noexcept { storage_.ss_family = AF_INET; }

endpoint::endpoint(std::string_view address, std::uint16_t port) {
    if (!fill(storage_, address, port))
        throw_error(malformed, fmt::format("\"{}\" (want a numeric address such as 127.0.0.1 or "
                                           "::1; names need the resolver)",
                                           address));
}

endpoint::endpoint(const sockaddr* raw, socklen_t size) noexcept {
    if (size > sizeof storage_) size = sizeof storage_;
    std::memcpy(&storage_, raw, size);
}

result<endpoint> endpoint::parse(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon + 1 == text.size()) return malformed;
    const std::string_view digits = text.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (bad != std::errc{} || end != digits.data() + digits.size()) return malformed;
    const std::string_view address = text.substr(0, colon);
    // Without brackets "::1:80" could be read in two ways.
    if (address.find(':') != std::string_view::npos && address.front() != '[') return malformed;
    endpoint made;
    if (!fill(made.storage_, address, port)) return malformed;
    return made;
}

endpoint endpoint::local_of(int fd) noexcept {
    endpoint made;
    socklen_t size = sizeof made.storage_;
    auto* const name = reinterpret_cast<sockaddr*>(&made.storage_);
    return system_calls::here().local_name(fd, name, size) < 0 ? endpoint() : made;
}

endpoint endpoint::peer_of(int fd) noexcept {
    endpoint made;
    socklen_t size = sizeof made.storage_;
    auto* const name = reinterpret_cast<sockaddr*>(&made.storage_);
    return system_calls::here().peer_name(fd, name, size) < 0 ? endpoint() : made;
}

std::uint16_t endpoint::port() const noexcept {
    auto& storage = const_cast<sockaddr_storage&>(storage_);
    return ntohs(is_v6() ? v6(storage)->sin6_port : v4(storage)->sin_port);
}

std::string endpoint::address() const {
    char text[INET6_ADDRSTRLEN] = "?";
    auto& storage = const_cast<sockaddr_storage&>(storage_);
    if (is_v6())
        inet_ntop(AF_INET6, &v6(storage)->sin6_addr, text, sizeof text);
    else
        inet_ntop(AF_INET, &v4(storage)->sin_addr, text, sizeof text);
    return text;
}

std::string endpoint::to_string() const {
    return is_v6() ? fmt::format("[{}]:{}", address(), port())
                   : fmt::format("{}:{}", address(), port());
}

socklen_t endpoint::size() const noexcept {
    return is_v6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

bool operator==(const endpoint& a, const endpoint& b) noexcept {
    if (a.family() != b.family() || a.port() != b.port()) return false;
    auto& left = const_cast<sockaddr_storage&>(a.storage_);
    auto& right = const_cast<sockaddr_storage&>(b.storage_);
    if (a.is_v6())
        return std::memcmp(&v6(left)->sin6_addr, &v6(right)->sin6_addr, sizeof(in6_addr)) == 0;
    return v4(left)->sin_addr.s_addr == v4(right)->sin_addr.s_addr;
}

}  // namespace rf::io
