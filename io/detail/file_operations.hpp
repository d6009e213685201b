// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/file_state.hpp>
#include <ringfence/runtime/uring_file_requests.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace rf::io::detail {

class [[nodiscard]] read_at_awaiter final : public on_file<read_at_awaiter, std::size_t> {
public:
    static constexpr request_kind kind = request_kind::read;
    read_at_awaiter(file_state& file, std::uint64_t offset, std::span<std::byte> to) noexcept
        : on_file(file), to_(to), offset_(offset) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::read(sqe, fd(), to_.data(), to_.size(), offset_);
    }
    [[nodiscard]] std::size_t take(std::int32_t res) const noexcept {
        return static_cast<std::size_t>(res);
    }
    [[nodiscard]] const char* name() const noexcept { return "read"; }

private:
    std::span<std::byte> to_;
    std::uint64_t offset_;
};

/// One write, or as many as it takes.
class [[nodiscard]] write_at_awaiter final : public on_file<write_at_awaiter, std::size_t> {
public:
    static constexpr request_kind kind = request_kind::write;
    write_at_awaiter(file_state& file, std::uint64_t offset, std::span<const std::byte> from,
                     bool all, std::size_t* written) noexcept
        : on_file(file), from_(from), offset_(offset), written_(written), all_(all) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::write(sqe, fd(), from_.data() + done_, from_.size() - done_,
                                offset_ + done_);
    }
    [[nodiscard]] std::size_t take(std::int32_t) const noexcept { return done_; }
    [[nodiscard]] bool again(std::int32_t res) const noexcept {
        return all_ && res > 0 && done_ < from_.size();
    }
    [[nodiscard]] const char* name() const noexcept { return "write"; }

private:
    void on_completion(std::int32_t res, std::uint32_t) noexcept override {
        if (res > 0) {
            done_ += static_cast<std::size_t>(res);
            if (written_ != nullptr) *written_ = done_;
        }
        if (all_ && res >= 0 && done_ < from_.size()) {
            // Cancelled half-way: unwinds, and `written` tells. A write that takes nothing and
            // gives no reason would be offered for ever.
            if (cancel_sent())
                res = -ECANCELED;
            else if (res == 0)
                res = -EIO;
        }
        set_result(res);
    }

    std::span<const std::byte> from_;
    std::uint64_t offset_;
    std::size_t* written_;
    std::size_t done_ = 0;
    bool all_;
};

class [[nodiscard]] vectored_awaiter final : public on_file<vectored_awaiter, std::size_t> {
public:
    static constexpr request_kind kind = request_kind::write;
    vectored_awaiter(file_state& file, std::uint64_t offset, std::span<const iovec> parts,
                     bool write) noexcept
        : on_file(file), parts_(parts), offset_(offset), write_(write) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        if (write_)
            rf::detail::prep::writev(sqe, fd(), parts_, offset_);
        else
            rf::detail::prep::readv(sqe, fd(), parts_, offset_);
    }
    [[nodiscard]] std::size_t take(std::int32_t res) const noexcept {
        return static_cast<std::size_t>(res);
    }
    [[nodiscard]] const char* name() const noexcept { return write_ ? "write" : "read"; }

private:
    std::span<const iovec> parts_;
    std::uint64_t offset_;
    bool write_;
};

class [[nodiscard]] sync_awaiter final : public on_file<sync_awaiter, void> {
public:
    static constexpr request_kind kind = request_kind::sync;
    sync_awaiter(file_state& file, bool data_only) noexcept
        : on_file(file), data_only_(data_only) {}
    void prepare(io_uring_sqe& sqe) noexcept { rf::detail::prep::fsync(sqe, fd(), data_only_); }
    void take(std::int32_t) const noexcept {}
    [[nodiscard]] const char* name() const noexcept { return data_only_ ? "fdatasync" : "fsync"; }

private:
    bool data_only_;
};

class [[nodiscard]] allocate_awaiter final : public on_file<allocate_awaiter, void> {
public:
    static constexpr request_kind kind = request_kind::allocate;
    allocate_awaiter(file_state& file, int mode, std::uint64_t offset, std::uint64_t size) noexcept
        : on_file(file), offset_(offset), size_(size), mode_(mode) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::fallocate(sqe, fd(), mode_, offset_, size_);
    }
    void take(std::int32_t) const noexcept {}
    [[nodiscard]] const char* name() const noexcept { return "fallocate"; }

private:
    std::uint64_t offset_;
    std::uint64_t size_;
    int mode_;
};

class [[nodiscard]] size_awaiter final : public on_file<size_awaiter, std::uint64_t> {
public:
    static constexpr request_kind kind = request_kind::path;
    explicit size_awaiter(file_state& file) noexcept : on_file(file) {}
    void prepare(io_uring_sqe& sqe) noexcept {
        rf::detail::prep::statx(sqe, fd(), "", AT_EMPTY_PATH, STATX_SIZE, &status_);
    }
    [[nodiscard]] std::uint64_t take(std::int32_t) const noexcept { return status_.stx_size; }
    [[nodiscard]] const char* name() const noexcept { return "stat"; }

private:
    struct ::statx status_{};
};

/// Closes for good, whatever it reports.
class [[nodiscard]] close_awaiter final : public file_request<close_awaiter, void> {
public:
    static constexpr request_kind kind = request_kind::close;
    explicit close_awaiter(descriptor_handle<file_state> file) noexcept
        : file_(std::move(file)), path_(file_->path()) {
        RF_ASSERT(file_->requests == 0,
                  "a file was closed or destroyed while a task reads, writes or syncs it");
    }
    void prepare(io_uring_sqe& sqe) noexcept { rf::detail::prep::close(sqe, file_->fd()); }
    void take(std::int32_t) const noexcept {}
    [[nodiscard]] const char* name() const noexcept { return "close"; }
    [[nodiscard]] std::string about() const { return path_; }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        if (!outstanding()) return file_request::cancel();  // the handle closes it
        return cancel_outcome::refused;
    }

private:
    void on_completion(std::int32_t res, std::uint32_t) noexcept override {
        // Linux frees the number even when it reports EINTR: a second close could hit another file.
        set_result(res == -EINTR ? 0 : res);
    }
    void on_retired() noexcept override {
        (void)file_->detach();
        file_.reset();
        file_request::on_retired();
    }

    descriptor_handle<file_state> file_;
    std::string path_;
};

}  // namespace rf::io::detail
