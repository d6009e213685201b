// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/descriptor.hpp>
#include <ringfence/io/detail/request.hpp>
#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/uring_file_requests.hpp>

#include <cerrno>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <poll.h>
#include <span>

namespace rf::io::detail {

/// One end of a pipe, or another descriptor without offsets, underneath its handle.
class pipe_state final : public descriptor {
public:
    pipe_state(int fd, const char* kind) noexcept : descriptor(fd, kind) {}

    std::uint32_t requests = 0;     // in the frames of tasks; the end must outlive them
    std::uint64_t bytes_moved = 0;  // read or written, ever

private:
    void stop() noexcept override {
        RF_ASSERT(requests == 0,
                  "the end of a pipe was closed or destroyed while a task reads or writes it");
    }
};

/// A read or a write where the descriptor stands. A descriptor that somebody else has made
/// non-blocking gives EAGAIN on some kernels: then it is polled, and the transfer tried again.
class [[nodiscard]] pipe_awaiter final : public request<pipe_awaiter, std::size_t> {
public:
    pipe_awaiter(pipe_state& end, std::span<std::byte> to) noexcept
        : end_(&end), data_(to.data()), size_(to.size()) {}
    pipe_awaiter(pipe_state& end, std::span<const std::byte> from, bool all) noexcept
        : end_(&end), data_(const_cast<std::byte*>(from.data())), size_(from.size()), write_(true),
          all_(all) {}

    // An empty transfer would read as the end of the stream.
    [[nodiscard]] bool await_ready() const noexcept { return size_ == 0 && !cancel_requested(); }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (!enter()) return;
        ++end_->requests;
        prepare(submit());
    }
    std::size_t await_resume() {
        if (result_code() < 0) [[unlikely]]
            throw_failure(kind(), name(), -result_code(), {});
        return done_;
    }

    void prepare(io_uring_sqe& sqe) noexcept {
        namespace prep = rf::detail::prep;
        if (polling_)
            prep::poll_add(sqe, end_->fd(), write_ ? POLLOUT : POLLIN);
        else if (write_)
            prep::write(sqe, end_->fd(), data_ + done_, size_ - done_, prep::offset_current);
        else
            prep::read(sqe, end_->fd(), data_, size_, prep::offset_current);
    }
    [[nodiscard]] std::size_t take(std::int32_t) const noexcept { return done_; }
    [[nodiscard]] bool again(std::int32_t res) noexcept {
        if (res == -EAGAIN) polling_ = !polling_;
        return res == -EAGAIN || unfinished(res);
    }
    [[nodiscard]] const char* name() const noexcept { return write_ ? "pipe write" : "pipe read"; }
    [[nodiscard]] error failure(int code) const noexcept { return to_error(kind(), name(), code); }

private:
    [[nodiscard]] request_kind kind() const noexcept {
        return write_ ? request_kind::write : request_kind::read;
    }
    [[nodiscard]] bool unfinished(std::int32_t res) const noexcept {
        return all_ && res >= 0 && done_ < size_;
    }

    void on_completion(std::int32_t res, std::uint32_t) noexcept override {
        if (polling_) {
            if (res >= 0) res = -EAGAIN;  // ready: nothing has moved yet, but now it will
        } else if (res > 0) {
            done_ += static_cast<std::size_t>(res);
            end_->bytes_moved += static_cast<std::uint64_t>(res);
        }
        // Cancelled while polling, or half-way through write_all: unwinds. What one read or one
        // write has moved is never taken back, it is returned.
        if (cancel_sent() && (res == -EAGAIN || unfinished(res))) res = -ECANCELED;
        set_result(res);
    }
    void on_retired() noexcept override {
        request::on_retired();
        if (!outstanding()) --end_->requests;
    }

    pipe_state* end_;
    std::byte* data_;
    std::size_t size_;
    std::size_t done_ = 0;
    bool write_ = false;
    bool all_ = false;
    bool polling_ = false;
};

}  // namespace rf::io::detail
