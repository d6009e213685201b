// SPDX-License-Identifier: MIT
#include <ringfence/io/stream.hpp>

#include <ringfence/runtime/system_calls.hpp>
#include <ringfence/runtime/uring_requests.hpp>

namespace rf::io {
namespace detail {

void read_awaiter::describe(wait_description& out) const {
    out.kind = "io";
    out.what = "receive on " + stream_->about();
    out.object = stream_;
    out.owner = "the peer";
}

bool write_awaiter::send_now() noexcept {
    if (!rf::detail::spend_ready()) return false;
    const std::int64_t sent = loop::here().kernel().send_now(stream_->fd(), from_);
    if (sent <= 0) return false;
    done_ = static_cast<std::size_t>(sent);
    stream_->bytes_sent += static_cast<std::uint64_t>(sent);
    return !all_ || done_ == from_.size();
}

void read_some_awaiter::await_suspend(std::coroutine_handle<>) noexcept {
    if (!enter()) return;
    if (stream_->input.in_use()) {
        source_ = &stream_->input;
        stream_->input.wait(*this);
        return;
    }
    RF_ASSERT(!stream_->input.read_past, receiver::two_readers);
    stream_->input.read_past = true;
    direct_ = true;
    start();
}

void read_some_awaiter::start() noexcept {
    ++stream_->requests;
    rf::detail::prep::recv(submit(), stream_->fd(), to_.data(), to_.size());
}

int read_some_awaiter::finish() noexcept {
    if (direct_) {
        if (res_ > 0) stream_->input.bytes_received += static_cast<std::uint64_t>(res_);
        return res_;
    }
    const std::size_t copied = stream_->input.copy_to(to_.data(), to_.size());
    if (copied == 0 && !to_.empty() && stream_->input.error() != 0)
        return -stream_->input.take_error();
    return static_cast<int>(copied);
}

cancel_outcome read_some_awaiter::cancel() noexcept {
    if (direct_) {
        request_cancel();
        return cancel_outcome::pending;
    }
    stream_->input.forget(*this);
    return cancel_outcome::removed;
}

void read_some_awaiter::on_retired() noexcept {
    --stream_->requests;
    if (res_ == -EINTR && !cancel_sent()) {
        start();
        return;
    }
    stream_->input.read_past = false;
    if (cancel_sent() && is_cancelled(res_))
        unwind();
    else
        resume();
}

void read_some_awaiter::describe(wait_description& out) const {
    out.kind = "io";
    out.what = "receive on " + stream_->about();
    out.object = stream_;
    out.owner = "the peer";
}

}  // namespace detail

descriptor_in_flight stream::release() noexcept {
    detail::stream_state& state = *state_;
    RF_ASSERT(
        state.requests == 0 && !state.input.in_use() && !state.input.read_past,
        "stream::release() gives away a connection that nobody uses and nobody has read from: "
        "release it right after accept() or connect()");
    descriptor_in_flight given(state.detach());
    state_.reset();
    return given;
}

void stream::abort() noexcept {
    const linger at_once{1, 0};
    (void)system_calls::here().set_option(state_->fd(), SOL_SOCKET, SO_LINGER, &at_once,
                                          sizeof at_once);
    state_.reset();
}

}  // namespace rf::io
