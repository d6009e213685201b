// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/datagram_state.hpp>

#include <ringfence/io/endpoint.hpp>
#include <ringfence/io/unix_endpoint.hpp>
#include <ringfence/runtime/system_calls.hpp>
#include <ringfence/runtime/uring_requests.hpp>

#include <algorithm>
#include <cerrno>

namespace rf::io::detail {
namespace {

std::string text_of(const sockaddr* address, socklen_t size) {
    return address->sa_family == AF_UNIX ? unix_endpoint(address, size).to_string()
                                         : endpoint(address, size).to_string();
}

}  // namespace

datagram_state::datagram_state(int fd, const char* kind, std::uint32_t name_room) noexcept
    : descriptor(fd, kind),
      input(
          fd, name_room,
          [](void* self) noexcept { static_cast<datagram_state*>(self)->close_if_idle(); }, this) {}

void datagram_state::stop() noexcept {
    RF_ASSERT(requests == 0, "a datagram socket was closed while a task sends or receives");
    input.stop();
}

std::string datagram_state::about() const {
    if (fd() < 0) return {};
    sockaddr_storage local{};
    socklen_t size = sizeof local;
    auto* const name = reinterpret_cast<sockaddr*>(&local);
    if (system_calls::here().local_name(fd(), name, size) < 0) return {};
    return "on " + text_of(name, size);
}

void receive_into_awaiter::await_suspend(std::coroutine_handle<>) noexcept {
    if (!enter()) return;
    if (socket_->input.in_use()) {
        socket_->input.wait(*this);
        return;
    }
    direct_ = true;
    start();
}

void receive_into_awaiter::start() noexcept {
    ++socket_->requests;
    // Points at members: only when the awaiter has come to rest in its frame.
    part_ = {to_.data(), to_.size()};
    message_ = {};
    message_.msg_name = &from_;
    message_.msg_namelen = sizeof from_;
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
    rf::detail::prep::recvmsg(submit(), socket_->fd(), &message_);
}

void receive_into_awaiter::on_retired() noexcept {
    --socket_->requests;
    const bool nothing_yet =
        res_ == -EINTR || res_ == -EAGAIN;  // or a datagram with a bad checksum
    if (cancel_sent() && (is_cancelled(res_) || nothing_yet))
        unwind();
    else if (nothing_yet)
        start();
    else
        resume();
}

int receive_into_awaiter::finish() noexcept {
    if (direct_) {
        if (res_ < 0) return -res_;
        size_ = static_cast<std::size_t>(res_);
        from_size_ = message_.msg_namelen;
        truncated_ = (message_.msg_flags & MSG_TRUNC) != 0;
        return 0;
    }
    if (failure_ != 0) return failure_;
    if (!delivered_) {
        if (const int code = socket_->input.take_error(); code != 0) return code;
        got_ = socket_->input.take();
    }
    const datagram_receiver::parts parts = socket_->input.parse(got_);
    size_ = std::min(parts.payload.size(), to_.size());
    if (size_ != 0) std::memcpy(to_.data(), parts.payload.data(), size_);
    from_size_ = parts.name_size;
    if (from_size_ != 0) std::memcpy(&from_, parts.name, from_size_);
    truncated_ = parts.truncated || size_ < parts.payload.size();
    got_ = {};
    return 0;
}

cancel_outcome receive_into_awaiter::cancel() noexcept {
    if (direct_) {
        request_cancel();
        return cancel_outcome::pending;
    }
    socket_->input.forget(*this);
    return cancel_outcome::removed;
}

void receive_into_awaiter::describe(wait_description& out) const {
    out.kind = "io";
    out.what = "receive datagram " + socket_->about();
    out.object = socket_;
    out.owner = "a peer";
}

void send_datagram_awaiter::prepare(io_uring_sqe& sqe) noexcept {
    message_ = {};
    message_.msg_iov = &part_;
    message_.msg_iovlen = 1;
    if (to_size_ != 0) {
        message_.msg_name = &to_;
        message_.msg_namelen = to_size_;
    }
    rf::detail::prep::sendmsg(sqe, socket_->fd(), &message_);
}

std::string send_datagram_awaiter::about() const {
    std::string text = socket_->about();
    if (to_size_ != 0) text += " to " + text_of(reinterpret_cast<const sockaddr*>(&to_), to_size_);
    return text;
}

}  // namespace rf::io::detail
