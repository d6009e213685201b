// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/file_request.hpp>
#include <ringfence/runtime/uring_file_requests.hpp>

#include <cstdint>
#include <string>
#include <utility>

namespace rf::io {
struct file_status;
}

namespace rf::io::detail {

enum class path_verb : std::uint8_t {
    rename,
    rename_new,
    unlink,
    remove_directory,
    make_directory,
    link,
    symlink
};

/// A request on one path or two that yields nothing.
class [[nodiscard]] path_awaiter final : public file_request<path_awaiter, void> {
public:
    static constexpr request_kind kind = request_kind::path;
    path_awaiter(path_verb verb, std::string first, std::string second, mode_t mode = 0) noexcept
        : first_(std::move(first)), second_(std::move(second)), mode_(mode), verb_(verb) {}
    void prepare(io_uring_sqe& sqe) noexcept;
    void take(std::int32_t) const noexcept {}
    [[nodiscard]] const char* name() const noexcept;
    [[nodiscard]] std::string about() const {
        return second_.empty() ? first_ : first_ + " -> " + second_;
    }

private:
    std::string first_;
    std::string second_;
    mode_t mode_;
    path_verb verb_;
};

class [[nodiscard]] status_awaiter final : public file_request<status_awaiter, file_status> {
public:
    static constexpr request_kind kind = request_kind::path;
    status_awaiter(std::string path, bool follow) noexcept
        : path_(std::move(path)), follow_(follow) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::statx(sqe, AT_FDCWD, path_.c_str(), follow_ ? 0 : AT_SYMLINK_NOFOLLOW,
                                STATX_BASIC_STATS, &raw_);
    }
    [[nodiscard]] file_status take(std::int32_t res) const noexcept;
    [[nodiscard]] const char* name() const noexcept { return "stat"; }
    [[nodiscard]] std::string about() const { return path_; }

private:
    std::string path_;
    struct ::statx raw_{};
    bool follow_;
};

}  // namespace rf::io::detail
