// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_error.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace rf {

/// What failed and how, as a value of 16 bytes: the operation's name and the errno.
class error {
public:
    constexpr error() noexcept = default;
    /// `operation` is a literal: "receive", "open".
    constexpr error(const char* operation, int code) noexcept
        : operation_(operation), code_(code) {}

    [[nodiscard]] static constexpr error timed_out() noexcept { return {"timeout", 110}; }

    [[nodiscard]] constexpr int code() const noexcept { return code_; }
    [[nodiscard]] constexpr const char* operation() const noexcept { return operation_; }
    [[nodiscard]] bool is(std::errc condition) const noexcept {
        return std::make_error_code(condition).value() == code_;
    }
    [[nodiscard]] std::error_code error_code() const noexcept {
        return {code_, std::system_category()};
    }
    /// "receive: connection reset by peer (ECONNRESET)".
    [[nodiscard]] std::string message() const;

    friend constexpr bool operator==(const error& a, const error& b) noexcept {
        return a.code_ == b.code_;
    }

private:
    const char* operation_ = "";
    int code_ = 0;
};

/// "ECONNRESET" for ECONNRESET; "errno 999" for what has no name.
[[nodiscard]] std::string errno_name(int code);

/// The world failed: a peer reset, a full disk, a limit. Carries the operation, the errno, and what
/// it was about: the endpoints of a connection, the path of a file.
class io_error : public std::system_error {
public:
    /// `hint` is what to do about it, if anything is known; what() ends with it.
    explicit io_error(rf::error failure, std::string about = {}, std::string_view hint = {});

    [[nodiscard]] const rf::error& error() const noexcept { return failure_; }
    /// "127.0.0.1:41234 -> 127.0.0.1:7000", or a path; empty where nothing is known.
    [[nodiscard]] const std::string& about() const noexcept { return *about_; }
    [[nodiscard]] const char* what() const noexcept override { return what_->c_str(); }

private:
    rf::error failure_;
    std::shared_ptr<const std::string> about_;  // shared: copying an exception must not throw
    std::shared_ptr<const std::string> what_;
};

/// Throws an io_error; in a build without exceptions, prints it and aborts.
[[noreturn]] void throw_error(rf::error failure, std::string about = {},
                              std::string_view hint = {});

}  // namespace rf
