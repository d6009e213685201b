// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/descriptor.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <coroutine>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <utility>

namespace rf::io {

/// How a process ended.
class exit_status {
public:
    exit_status() noexcept = default;
    [[nodiscard]] static exit_status of_exit(int code) noexcept { return {code, 0}; }
    [[nodiscard]] static exit_status of_signal(int signal) noexcept { return {-1, signal}; }
    /// Somebody else waited for it first, or SIGCHLD is ignored: how it ended is not known.
    [[nodiscard]] static exit_status unknown() noexcept { return {-1, 0}; }

    [[nodiscard]] bool success() const noexcept { return code_ == 0; }
    /// What it returned from main or gave to exit(); -1 if a signal ended it.
    [[nodiscard]] int code() const noexcept { return code_; }
    /// The signal that ended it; 0 if it exited.
    [[nodiscard]] int signal() const noexcept { return signal_; }
    /// "exit 3", "SIGKILL".
    [[nodiscard]] std::string to_string() const;
    friend bool operator==(const exit_status&, const exit_status&) noexcept = default;

private:
    exit_status(int code, int signal) noexcept : code_(code), signal_(signal) {}
    int code_ = 0;
    int signal_ = 0;
};

namespace detail {

class process_state;

class [[nodiscard]] process_awaiter final : public waiter, public rf::detail::list_hook {
public:
    using selectable = void;

    explicit process_awaiter(process_state& process) noexcept : process_(&process) {}
    process_awaiter(process_awaiter&& other) noexcept
        : waiter(std::move(other)), list_hook(), process_(other.process_) {}
    [[nodiscard]] bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<>) noexcept;
    void start() noexcept;
    exit_status await_resume() const noexcept;
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        unlink();
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override;
    void wake() noexcept { resume(); }

private:
    process_state* process_;
};

/// A child process underneath its handle. It stays until the process has been reaped, so that
/// there never is a zombie: the poll of the pidfd belongs to it, the waiting task only to its list.
class process_state final : public descriptor {
public:
    process_state(int pidfd, pid_t pid, bool group, std::string program) noexcept
        : descriptor(pidfd, "process"), watch_(*this), program_(std::move(program)), pid_(pid),
          group_(group) {}

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] const std::string& program() const noexcept { return program_; }
    [[nodiscard]] bool reaped() const noexcept { return reaped_; }
    [[nodiscard]] exit_status status() const noexcept { return status_; }
    bool send_signal(int signal) noexcept;
    void wait(process_awaiter& who) noexcept {
        waiting_.push_back(who);
        watch_.arm();
    }
    /// Without waiting: takes its status if it has ended.
    void try_reap() noexcept;

private:
    /// Waits for the process to end, for as long as that takes.
    class exit_watch final : rf::operation {
    public:
        explicit exit_watch(process_state& owner) noexcept : owner_(owner) {}
        void arm() noexcept;
        [[nodiscard]] bool armed() const noexcept { return outstanding(); }

    private:
        void on_completion(std::int32_t, std::uint32_t) noexcept override {}
        void on_retired() noexcept override;
        process_state& owner_;
    };

    void stop() noexcept override;
    [[nodiscard]] bool idle() const noexcept override { return reaped_ && !watch_.armed(); }
    void watch_ended() noexcept;

    exit_watch watch_;
    std::string program_;
    rf::detail::intrusive_list<process_awaiter> waiting_;
    pid_t pid_;
    bool group_;  // it leads a process group, which ends with it
    exit_status status_;
    bool reaped_ = false;
};

}  // namespace detail
}  // namespace rf::io
