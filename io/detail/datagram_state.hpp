// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/datagram.hpp>
#include <ringfence/io/detail/datagram_receiver.hpp>
#include <ringfence/io/detail/descriptor.hpp>
#include <ringfence/io/detail/request.hpp>
#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/result.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>

namespace rf::io::detail {

/// A datagram socket underneath its handle; what UDP and unix sockets share.
class datagram_state final : public descriptor {
public:
    datagram_state(int fd, const char* kind, std::uint32_t name_room) noexcept;

    datagram_receiver input;
    std::uint32_t requests = 0;  // in the frames of tasks; the socket must outlive them

    /// "on 127.0.0.1:7000"; a system call, for errors and dumps.
    [[nodiscard]] std::string about() const;

private:
    void stop() noexcept override;
    [[nodiscard]] bool idle() const noexcept override { return input.idle(); }
};

/// `co_await socket.receive()`: the next datagram, in a borrowed buffer.
template <class Address>
class [[nodiscard]] borrow_datagram_awaiter final : public datagram_waiter {
public:
    using selectable = void;

    explicit borrow_datagram_awaiter(datagram_state& socket) noexcept : socket_(&socket) {}
    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && socket_->input.ready();
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) start();
    }
    void start() noexcept { socket_->input.wait(*this); }
    result<borrowed_datagram<Address>> await_result() noexcept {
        if (const int code = settle(); code != 0)
            return to_error(request_kind::receive, "receive datagram", code);
        return unpack();
    }
    borrowed_datagram<Address> await_resume() {
        if (const int code = settle(); code != 0) [[unlikely]]
            throw_failure(request_kind::receive, "receive datagram", code, socket_->about());
        return unpack();
    }
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        socket_->input.forget(*this);
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override {
        out.kind = "io";
        out.what = "receive datagram " + socket_->about();
        out.object = socket_;
        out.owner = "a peer";
    }

private:
    /// 0 with a datagram in hand, or why there is none.
    [[nodiscard]] int settle() noexcept {
        if (delivered_) return 0;
        if (failure_ != 0) return failure_;
        if (const int code = socket_->input.take_error(); code != 0) return code;
        got_ = socket_->input.take();
        return 0;
    }
    [[nodiscard]] borrowed_datagram<Address> unpack() noexcept {
        const datagram_receiver::parts parts = socket_->input.parse(got_);
        const Address from(parts.name, parts.name_size);
        return {std::move(got_), parts.payload, from, parts.truncated};
    }
    datagram_state* socket_;
};

/// The part of receive_from that does not depend on the kind of address: straight into the caller's
/// memory, unless the socket's own receiver is in use; then from its line.
class receive_into_awaiter : public datagram_waiter, operation {
public:
    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && socket_->input.ready();
    }
    void await_suspend(std::coroutine_handle<>) noexcept;
    [[nodiscard]] cancel_outcome cancel() noexcept override;
    void describe(wait_description& out) const override;

protected:
    receive_into_awaiter(datagram_state& socket, std::span<std::byte> to) noexcept
        : socket_(&socket), to_(to) {}
    receive_into_awaiter(receive_into_awaiter&&) noexcept = default;
    ~receive_into_awaiter() = default;

    /// 0 with the datagram copied and described, or what failed.
    [[nodiscard]] int finish() noexcept;
    [[nodiscard]] std::string about() const { return socket_->about(); }

    sockaddr_storage from_{};
    socklen_t from_size_ = 0;
    std::size_t size_ = 0;
    bool truncated_ = false;

private:
    void start() noexcept;
    void on_completion(std::int32_t res, std::uint32_t) noexcept override { res_ = res; }
    void on_retired() noexcept override;

    datagram_state* socket_;
    std::span<std::byte> to_;
    iovec part_{};
    msghdr message_{};
    std::int32_t res_ = 0;
    bool direct_ = false;
};

/// `co_await socket.receive_from(span)`.
template <class Address>
class [[nodiscard]] receive_from_awaiter final : public receive_into_awaiter {
public:
    receive_from_awaiter(datagram_state& socket, std::span<std::byte> to) noexcept
        : receive_into_awaiter(socket, to) {}
    result<basic_datagram<Address>> await_result() noexcept {
        if (const int code = finish(); code != 0)
            return to_error(request_kind::receive, "receive datagram", code);
        return described();
    }
    basic_datagram<Address> await_resume() {
        if (const int code = finish(); code != 0) [[unlikely]]
            throw_failure(request_kind::receive, "receive datagram", code, about());
        return described();
    }

private:
    [[nodiscard]] basic_datagram<Address> described() const noexcept {
        return {size_, Address(reinterpret_cast<const sockaddr*>(&from_), from_size_), truncated_};
    }
};

/// `co_await socket.send_to(span, address)`; without an address, to the peer.
class [[nodiscard]] send_datagram_awaiter final
    : public request<send_datagram_awaiter, std::size_t> {
public:
    static constexpr request_kind kind = request_kind::send;
    send_datagram_awaiter(datagram_state& socket, std::span<const std::byte> from,
                          const sockaddr* to = nullptr, socklen_t to_size = 0) noexcept
        : socket_(&socket), part_{const_cast<std::byte*>(from.data()), from.size()},
          to_size_(to_size) {
        if (to != nullptr) std::memcpy(&to_, to, to_size < sizeof to_ ? to_size : sizeof to_);
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (!enter()) return;
        ++socket_->requests;
        prepare(submit());
    }
    void prepare(io_uring_sqe& sqe) noexcept;
    [[nodiscard]] std::size_t take(std::int32_t res) const noexcept {
        return static_cast<std::size_t>(res);
    }
    [[nodiscard]] bool again(std::int32_t res) const noexcept { return res == -EAGAIN; }
    [[nodiscard]] const char* name() const noexcept { return "send datagram"; }
    [[nodiscard]] std::string about() const;

private:
    void on_retired() noexcept override {
        request::on_retired();
        if (!outstanding()) --socket_->requests;
    }

    datagram_state* socket_;
    iovec part_;
    msghdr message_{};
    sockaddr_storage to_{};
    socklen_t to_size_;
};

}  // namespace rf::io::detail
