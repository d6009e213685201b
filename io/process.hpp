// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/process_state.hpp>
#include <ringfence/io/pipe.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace rf::io {

/// What one of the three standard descriptors of a new process is.
class stdio {
public:
    enum class source : std::uint8_t { inherit, null, pipe, descriptor };

    /// What this process has.
    [[nodiscard]] static constexpr stdio inherit() noexcept { return {source::inherit, -1}; }
    /// /dev/null.
    [[nodiscard]] static constexpr stdio null() noexcept { return {source::null, -1}; }
    /// A new pipe, whose other end the process object has.
    [[nodiscard]] static constexpr stdio piped() noexcept { return {source::pipe, -1}; }
    /// A copy of this descriptor, which stays the caller's.
    [[nodiscard]] static constexpr stdio from(int fd) noexcept { return {source::descriptor, fd}; }

    [[nodiscard]] constexpr source kind() const noexcept { return kind_; }
    [[nodiscard]] constexpr int fd() const noexcept { return fd_; }

private:
    constexpr stdio(source kind, int fd) noexcept : kind_(kind), fd_(fd) {}
    source kind_;
    int fd_;
};

struct spawn_options {
    stdio input = stdio::inherit();
    stdio output = stdio::inherit();
    stdio errors = stdio::inherit();
    /// The directory that it starts in; empty: this one.
    std::string_view directory{};
    /// Its whole environment as "NAME=value"; null: this process's. Must live until spawn returns.
    const std::vector<std::string>* environment = nullptr;
    /// In a process group of its own: no signals from the terminal; kill() reaches all of the
    /// group; and when the process ends or its object goes, what is left of the group is killed.
    bool new_group = false;
};

/// A child process. It ends no later than this object: the destructor kills it (SIGKILL) and the
/// loop reaps it, so neither a stray process nor a zombie stays. What it has started itself goes
/// too only with spawn_options::new_group.
///
///     auto sort = rf::io::process::spawn({"sort", "-n"}, {.input = rf::io::stdio::piped(),
///                                                         .output = rf::io::stdio::piped()});
///     co_await sort.input.write_all(numbers);
///     sort.input.close();
///     ...
///     rf::io::exit_status end = co_await sort.wait();
///
/// The child starts with no signal blocked and none ignored, and with no descriptor but the three.
/// Read piped output while waiting: a child that fills a pipe nobody reads never ends.
///
/// Cancellation: wait() is total; it leaves the child running, and another wait() may follow.
/// Errors: spawn throws io_error naming the program (ENOENT: not there, EACCES: no right to run it)
///   or the directory. How the process ends is never an error: see exit_status.
/// Lifetime: outlives the tasks that wait. Threads: one loop. The process must not be waited for
///   elsewhere (SIGCHLD ignored, wait() in another library), or its status is unknown.
/// Cost: spawn is a plain system call of about a millisecond (posix_spawn); waiting is one poll.
class process {
public:
    process() noexcept = default;

    /// Starts `arguments[0]`, looked for in PATH unless it has a slash.
    [[nodiscard]] static process spawn(const std::vector<std::string>& arguments,
                                       const spawn_options& options = {});

    /// Waits for the end. Any number of tasks, any number of times.
    [[nodiscard]] detail::process_awaiter wait() noexcept {
        return detail::process_awaiter(*state_);
    }

    /// Sends a signal. False if the process has ended; never hits another one.
    bool kill(int signal) noexcept { return state_->send_signal(signal); }

    /// Asks with SIGTERM, waits for at most `grace`, then ends it with SIGKILL. Cancelled
    /// meanwhile, the process goes on until this object goes.
    [[nodiscard]] task<exit_status> terminate(std::chrono::milliseconds grace);

    [[nodiscard]] pid_t pid() const noexcept { return state_->pid(); }
    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }

    pipe_writer input;  // for stdio::piped(); empty otherwise
    pipe_reader output;
    pipe_reader errors;

private:
    detail::descriptor_handle<detail::process_state> state_;
};

}  // namespace rf::io
