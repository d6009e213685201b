// SPDX-License-Identifier: MIT
#include <ringfence/io/pipe.hpp>

#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/system_calls.hpp>

#include <csignal>

namespace rf::io {
namespace {

// A write to a pipe raises SIGPIPE in the thread that enters the kernel, and there is no flag
// against it as there is for sockets (RWF_NOSIGNAL is of 6.18).
void ignore_sigpipe() noexcept {
    static const bool once = [] {
        struct sigaction now{};
        if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) {
            now.sa_handler = SIG_IGN;
            ::sigaction(SIGPIPE, &now, nullptr);
        }
        return true;
    }();
    (void)once;
}

detail::descriptor_handle<detail::pipe_state> take_over(int fd, const char* kind) {
    scope_failure close_again([fd] { system_calls::here().close(fd); });
    return detail::descriptor_handle<detail::pipe_state>::make(fd, kind);
}

int give_away(detail::descriptor_handle<detail::pipe_state>& state) noexcept {
    RF_ASSERT(state->requests == 0, "the end of a pipe was released while a task uses it");
    const int fd = state->detach();
    state.reset();
    return fd;
}

}  // namespace

pipe_reader pipe_reader::from_descriptor(int fd, const char* kind) {
    pipe_reader made;
    made.state_ = take_over(fd, kind);
    return made;
}

pipe_writer pipe_writer::from_descriptor(int fd, const char* kind) {
    ignore_sigpipe();
    pipe_writer made;
    made.state_ = take_over(fd, kind);
    return made;
}

int pipe_reader::release() noexcept { return give_away(state_); }
int pipe_writer::release() noexcept { return give_away(state_); }

pipe_ends make_pipe() {
    int fds[2];
    const int made = system_calls::here().pipe(fds);
    if (made < 0) throw_failure(request_kind::open, "make pipe", -made, {});
    scope_failure close_again([&] { system_calls::here().close(fds[1]); });
    pipe_ends ends;
    ends.reader = pipe_reader::from_descriptor(fds[0]);
    close_again.dismiss();
    ends.writer = pipe_writer::from_descriptor(fds[1]);
    return ends;
}

}  // namespace rf::io
