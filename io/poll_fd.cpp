// SPDX-License-Identifier: MIT
#include <ringfence/io/poll_fd.hpp>

#include <ringfence/runtime/uring_requests.hpp>

#include <fmt/format.h>

namespace rf::io {

namespace detail {
namespace {

constexpr short always_found = POLLERR | POLLHUP | POLLNVAL;

}  // namespace

void poll_state::poll_operation::arm(int fd, short events) noexcept {
    rf::detail::prep::poll_add(submit(), fd, static_cast<std::uint16_t>(events));
}

void poll_state::wait(poll_awaiter& who) noexcept {
    waiting_.push_back(who);
    renew();
}

// One request looks for what all who wait look for. One that looks for too little is ended, and the
// next begins when it is.
void poll_state::renew() noexcept {
    short wanted = 0;
    waiting_.for_each([&](const poll_awaiter& one) { wanted |= one.events(); });
    if (!poll_.outstanding()) {
        if (waiting_.empty()) return;
        armed_ = wanted;
        poll_.arm(fd(), wanted);
    } else if (waiting_.empty() || (wanted & ~armed_) != 0) {
        poll_.request_cancel();
    }
}

void poll_state::ended(std::int32_t res) noexcept {
    if (!rf::operation::is_cancelled(res)) {
        rf::detail::intrusive_list<poll_awaiter, rf::detail::list_hook> all;
        all.splice_back(waiting_);
        while (!all.empty()) {
            poll_awaiter& one = all.pop_front();
            const std::int32_t found = res < 0 ? res : res & (one.events() | always_found);
            if (found == 0)
                waiting_.push_back(one);
            else
                one.wake(found);
        }
    }
    if (!released()) renew();
    close_if_idle();
}

void poll_state::stop() noexcept {
    RF_ASSERT(waiting_.empty(), "a poll_fd was destroyed while a task waits on it");
    if (poll_.outstanding()) poll_.request_cancel();
    if (!owned_) (void)detach();
}

short poll_awaiter::await_resume() const {
    if (found_ < 0) [[unlikely]]
        throw_failure(request_kind::poll, "poll", -found_, about());
    return static_cast<short>(found_);
}

result<short> poll_awaiter::await_result() const noexcept {
    if (found_ < 0) return to_error(request_kind::poll, "poll", -found_);
    return static_cast<short>(found_);
}

void poll_awaiter::describe(wait_description& out) const {
    out.kind = "io";
    out.what = "poll on " + about();
    out.object = target_;
    out.owner = "whoever makes it ready";
}

std::string poll_awaiter::about() const {
    return fmt::format("descriptor {} for{}{}{}", target_->fd(),
                       (events_ & POLLIN) != 0 ? " reading" : "",
                       (events_ & POLLOUT) != 0 ? " writing" : "",
                       (events_ & (POLLIN | POLLOUT)) == 0 ? " events" : "");
}

}  // namespace detail

poll_fd::poll_fd(int fd, bool owned)
    : state_(detail::descriptor_handle<detail::poll_state>::make(fd, owned)) {}

}  // namespace rf::io
