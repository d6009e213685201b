// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/process_state.hpp>

#include <ringfence/runtime/uring_requests.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace rf::io {

std::string exit_status::to_string() const {
    if (signal_ != 0) {
        const char* name = ::sigabbrev_np(signal_);
        return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", signal_);
    }
    return code_ < 0 ? "ended, nobody knows how" : fmt::format("exit {}", code_);
}

namespace detail {

bool process_awaiter::await_ready() const noexcept {
    return !cancel_requested() && process_->reaped();
}

void process_awaiter::await_suspend(std::coroutine_handle<>) noexcept {
    if (enter()) start();
}

void process_awaiter::start() noexcept { process_->wait(*this); }

exit_status process_awaiter::await_resume() const noexcept { return process_->status(); }

void process_awaiter::describe(wait_description& out) const {
    out.kind = "process";
    out.what = fmt::format("the end of process {} ({})", process_->pid(), process_->program());
    out.object = process_;
    out.owner = "the process";
}

bool process_state::send_signal(int signal) noexcept {
    if (reaped_) return false;
    // Until it has been reaped, the number of the group is its own.
    if (group_) return ::kill(-pid_, signal) == 0;
    return ::syscall(SYS_pidfd_send_signal, fd(), signal, nullptr, 0) == 0;
}

void process_state::try_reap() noexcept {
    if (reaped_) return;
    siginfo_t how{};
    int status = 0;
    do
        status = ::waitid(P_PIDFD, static_cast<id_t>(fd()), &how, WEXITED | WNOHANG);
    while (status != 0 && errno == EINTR);
    if (status != 0) {
        // ECHILD: the program waits for all its children elsewhere, or ignores SIGCHLD.
        status_ = exit_status::unknown();
        reaped_ = true;
    } else if (how.si_pid != 0) {
        status_ = how.si_code == CLD_EXITED ? exit_status::of_exit(how.si_status)
                                            : exit_status::of_signal(how.si_status);
        reaped_ = true;
    }
}

void process_state::exit_watch::arm() noexcept {
    if (!outstanding()) rf::detail::prep::poll_add(submit(), owner_.fd(), POLLIN);
}

void process_state::exit_watch::on_retired() noexcept { owner_.watch_ended(); }

void process_state::watch_ended() noexcept {
    if (group_) send_signal(SIGKILL);  // what is left of it
    try_reap();
    if (!reaped_) {  // an interrupted poll
        watch_.arm();
        return;
    }
    while (!waiting_.empty())
        waiting_.pop_front().wake();
    close_if_idle();
}

void process_state::stop() noexcept {
    RF_ASSERT(waiting_.empty(), "a process was destroyed while a task waits for its end");
    send_signal(SIGKILL);
    try_reap();
    if (!reaped_) watch_.arm();
}

}  // namespace detail
}  // namespace rf::io
