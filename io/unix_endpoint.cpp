// SPDX-License-Identifier: MIT
#include <ringfence/io/unix_endpoint.hpp>

#include <ringfence/runtime/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

namespace rf::io {
namespace {

constexpr socklen_t name_at = offsetof(sockaddr_un, sun_path);

}  // namespace

unix_endpoint::unix_endpoint() noexcept : size_(name_at) { raw_.sun_family = AF_UNIX; }

unix_endpoint::unix_endpoint(std::string_view name) {
    raw_.sun_family = AF_UNIX;
    if (name.empty()) throw_error({"parse address", EINVAL}, "of a unix socket: it is empty");
    // A path needs its final zero; an abstract name has none.
    if (name.size() >= sizeof raw_.sun_path)
        throw_error({"parse address", ENAMETOOLONG},
                    std::string(name) + " (the name of a unix socket has at most 107 bytes)");
    std::memcpy(raw_.sun_path, name.data(), name.size());
    const bool abstract = name.front() == '@';
    if (abstract) raw_.sun_path[0] = '\0';
    size_ = static_cast<socklen_t>(name_at + name.size() + (abstract ? 0 : 1));
}

unix_endpoint::unix_endpoint(const sockaddr* raw, socklen_t size) noexcept
    : size_(std::clamp<socklen_t>(size, name_at, sizeof raw_)) {
    if (size > name_at) std::memcpy(&raw_, raw, size_);
    raw_.sun_family = AF_UNIX;
}

std::string unix_endpoint::to_string() const {
    if (is_unnamed()) return "(unnamed)";
    std::string name(raw_.sun_path, size_ - name_at);
    // An abstract name begins with a zero byte; a path ends with one.
    if (is_abstract())
        name.front() = '@';
    else if (const auto end = name.find('\0'); end != name.npos)
        name.resize(end);
    return name;
}

bool operator==(const unix_endpoint& a, const unix_endpoint& b) noexcept {
    return a.to_string() == b.to_string();
}

}  // namespace rf::io
