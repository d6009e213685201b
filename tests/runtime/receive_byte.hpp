// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/uring_requests.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <coroutine>
#include <cstdint>

namespace test {

/// One byte from a descriptor, as a task waits for it.
class [[nodiscard]] receive_byte final : rf::operation, public rf::waiter {
public:
    explicit receive_byte(int fd, char* to) : fd_(fd), to_(to) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) {
        if (enter()) rf::detail::prep::recv(submit(), fd_, to_, 1);
    }
    [[nodiscard]] std::int32_t await_resume() const noexcept { return result_; }

    [[nodiscard]] rf::cancel_outcome cancel() noexcept override {
        request_cancel();
        return rf::cancel_outcome::pending;
    }
    void describe(rf::wait_description& out) const override { out.what = "receive of a byte"; }

private:
    void on_completion(std::int32_t res, std::uint32_t) noexcept override { result_ = res; }
    void on_retired() noexcept override {
        if (is_cancelled(result_))
            unwind();
        else
            resume();
    }

    int fd_;
    char* to_;
    std::int32_t result_ = 0;
};

}  // namespace test
