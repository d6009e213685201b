// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/acceptor.hpp>

#include <ringfence/io/endpoint.hpp>
#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/system_calls.hpp>
#include <ringfence/runtime/uring_requests.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/socket.h>

namespace rf::io::detail {
namespace {

constexpr instant pause_first = 5'000'000;
constexpr instant pause_longest = 1'000'000'000;

}  // namespace

acceptor::acceptor(int fd, const char* kind) noexcept : descriptor(fd, kind) {
    accept_.owner = this;
    retry_.owner = this;
    retry_.on_fire = [](timer& fired) noexcept {
        acceptor& self = *static_cast<retry_timer&>(fired).owner;
        if (self.waiting_ != nullptr && !self.accept_.outstanding()) self.accept_.start();
    };
}

acceptor::~acceptor() {
    RF_ASSERT(waiting_ == nullptr, "a listener was closed while a task accepts from it");
}

void acceptor::wait(accept_awaiter& who) noexcept {
    RF_ASSERT(waiting_ == nullptr, "two tasks accept from one listener at the same time");
    waiting_ = &who;
    retry_.note();
    if (!stopped_ && !accept_.outstanding() && !retry_.armed()) accept_.start();
}

void acceptor::accept_request::start() noexcept {
    // No address is asked for: with a multishot request there is one place for all of them.
    if (rf::detail::slot.owner->kernel().features().multishot_accept)
        rf::detail::prep::accept_multishot(submit(), owner->fd(), SOCK_CLOEXEC);
    else
        rf::detail::prep::accept(submit(), owner->fd(), nullptr, nullptr, SOCK_CLOEXEC);
}

void acceptor::accept_request::on_completion(std::int32_t res, std::uint32_t flags) noexcept {
    owner->arrived(res);
    if ((flags & IORING_CQE_F_MORE) != 0 && owner->ready_.size() >= queue_max) request_cancel();
}

void acceptor::arrived(std::int32_t res) noexcept {
    if (res >= 0) {
        pause_ = 0;
        ++accepted;
        if (released()) {
            system_calls::here().close(res);  // a connection that came for a listener already gone
            return;
        }
        ready_.push_back(res);
        wake();
        return;
    }
    if (stopped_) return;  // whatever it says, it was the end
    switch (classify(request_kind::accept, -res).action) {
    case errno_action::limit:
        // Making the request again at once would spin: the connection is still in the backlog.
        ++pauses;
        pause_ = std::clamp(pause_ * 2, pause_first, pause_longest);
        if (!released() && !retry_.armed()) retry_.arm(loop::here().now() + pause_);
        break;
    case errno_action::retry:  // the connection went away while it waited
    case errno_action::wait:
    case errno_action::cancelled: break;
    case errno_action::fail:
    case errno_action::bug:
        error_ = -res;
        wake();
        break;
    }
}

void acceptor::wake() noexcept {
    if (waiting_ != nullptr) std::exchange(waiting_, nullptr)->resume();
}

void acceptor::stop_listening() noexcept {
    if (stopped_) return;
    local_ = endpoint::local_of(fd());
    stopped_ = true;
    if (retry_.armed()) loop::here().timers().cancel(retry_);
    // A TCP socket that stops listening resets what is in its backlog, a unix socket keeps it: so
    // connections are taken before and after. A handshake that ends in between is reset.
    take_backlog();
    system_calls::here().shut_down(fd(), SHUT_RD);
    take_backlog();
    accept_.request_cancel();
    if (!ready_.empty() || at_end()) wake();
}

void acceptor::take_backlog() noexcept {
    constexpr int at_once = 64;
    std::array<int, at_once> connections;
    for (int times = 0; times < backlog_taken_max / at_once; ++times) {
        const int taken = system_calls::here().accept_now(fd(), connections);
        if (taken < 0) {
            if (classify(request_kind::accept, -taken).action == errno_action::retry) continue;
            break;  // empty, or out of descriptors: then the rest is reset
        }
        accepted += static_cast<std::uint64_t>(taken);
        ready_.insert(ready_.end(), connections.begin(), connections.begin() + taken);
    }
}

void acceptor::accept_request::on_retired() noexcept {
    acceptor& self = *owner;
    if (self.released()) {
        self.close_if_idle();
        return;
    }
    if (self.stopped_)
        self.wake();
    else if (self.waiting_ != nullptr && !self.retry_.armed())
        start();
}

void acceptor::stop() noexcept {
    RF_ASSERT(waiting_ == nullptr, "a listener was closed while a task accepts from it");
    if (retry_.armed()) loop::here().timers().cancel(retry_);
    for (const int fd : ready_)
        system_calls::here().close(fd);
    ready_.clear();
    accept_.request_cancel();
}

std::string acceptor::about() const {
    const endpoint at = local();
    return at.family() == AF_UNIX ? std::string("a unix socket") : at.to_string();
}

result<int> acceptor::accept_awaiter::await_result() noexcept {
    if (!from_->ready_.empty()) {
        const int fd = from_->ready_.front();
        from_->ready_.pop_front();
        return fd;
    }
    const int code = from_->stopped_ ? EINVAL : std::exchange(from_->error_, 0);
    return to_error(request_kind::accept, "accept", code);
}

int acceptor::accept_awaiter::await_resume() {
    result<int> got = await_result();
    if (!got)
        throw_failure(request_kind::accept, "accept", got.error().code(), "on " + from_->about());
    return *got;
}

void acceptor::accept_awaiter::describe(wait_description& out) const {
    out.kind = "io";
    out.what = "accept on " + from_->about();
    if (from_->retry_.armed()) out.what += ", paused: out of descriptors or memory";
    out.object = from_;
    out.owner = "a client";
}

}  // namespace rf::io::detail
