// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>

namespace rf::io {

/// The name of a unix socket: a path, or an abstract name written with a leading '@'.
class unix_endpoint {
public:
    /// No name: what a socket has that was never bound.
    unix_endpoint() noexcept;
    /// Throws io_error (ENAMETOOLONG) for more than 107 bytes, (EINVAL) for none.
    explicit unix_endpoint(std::string_view name);
    unix_endpoint(const sockaddr* raw, socklen_t size) noexcept;

    [[nodiscard]] const sockaddr* data() const noexcept {
        return reinterpret_cast<const sockaddr*>(&raw_);
    }
    [[nodiscard]] socklen_t size() const noexcept { return size_; }
    /// The path, "@name", or "(unnamed)".
    [[nodiscard]] std::string to_string() const;
    [[nodiscard]] bool is_unnamed() const noexcept { return size_ <= sizeof raw_.sun_family; }
    [[nodiscard]] bool is_abstract() const noexcept {
        return !is_unnamed() && raw_.sun_path[0] == '\0';
    }

    friend bool operator==(const unix_endpoint& a, const unix_endpoint& b) noexcept;

private:
    sockaddr_un raw_{};
    socklen_t size_ = 0;
};

}  // namespace rf::io
