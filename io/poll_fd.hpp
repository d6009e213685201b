// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/descriptor.hpp>
#include <ringfence/io/error_table.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <coroutine>
#include <cstdint>
#include <poll.h>
#include <string>
#include <utility>

namespace rf::io {

namespace detail {

class poll_awaiter;

/// The poll belongs to the object, the task only to its list: so a wait can be taken back at once,
/// and several tasks share one request.
class poll_state final : public descriptor {
public:
    poll_state(int fd, bool owned) noexcept
        : descriptor(fd, owned ? "polled descriptor" : "polled descriptor (borrowed)"),
          poll_(*this), owned_(owned) {}

    void wait(poll_awaiter& who) noexcept;
    /// Somebody has left the list: the kernel need not look for him any more.
    void left() noexcept { renew(); }

private:
    class poll_operation final : rf::operation {
    public:
        explicit poll_operation(poll_state& owner) noexcept : owner_(owner) {}
        void arm(int fd, short events) noexcept;
        using operation::outstanding;
        using operation::request_cancel;

    private:
        void on_completion(std::int32_t res, std::uint32_t) noexcept override { res_ = res; }
        void on_retired() noexcept override { owner_.ended(res_); }
        poll_state& owner_;
        std::int32_t res_ = 0;
    };

    void renew() noexcept;
    void ended(std::int32_t res) noexcept;
    void stop() noexcept override;
    [[nodiscard]] bool idle() const noexcept override { return !poll_.outstanding(); }

    poll_operation poll_;
    rf::detail::intrusive_list<poll_awaiter, rf::detail::list_hook> waiting_;
    short armed_ = 0;  // what the kernel looks for
    bool owned_;
};

class [[nodiscard]] poll_awaiter final : public waiter, public rf::detail::list_hook {
public:
    using selectable = void;

    poll_awaiter(poll_state& target, short events) noexcept : target_(&target), events_(events) {}
    poll_awaiter(poll_awaiter&& other) noexcept
        : waiter(std::move(other)), list_hook(), target_(other.target_), events_(other.events_) {}

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) start();
    }
    void start() noexcept { target_->wait(*this); }
    short await_resume() const;
    [[nodiscard]] result<short> await_result() const noexcept;
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        unlink();
        target_->left();
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override;

    [[nodiscard]] short events() const noexcept { return events_; }
    /// `res`: what was found, or an errno below zero.
    void wake(std::int32_t res) noexcept {
        found_ = res;
        resume();
    }

private:
    [[nodiscard]] std::string about() const;
    poll_state* target_;
    short events_;
    std::int32_t found_ = 0;
};

}  // namespace detail

/// Waits until a descriptor is ready: the bridge to any library that works on non-blocking
/// descriptors of its own (libpq, libssh, libcurl's multi interface, ...).
///
///     auto socket = rf::io::poll_fd::borrow(PQsocket(connection));
///     while (PQconsumeInput(connection) && PQisBusy(connection))
///         co_await socket.wait_readable();
///
/// Level-triggered, as poll(2): a descriptor that is ready returns at once. Errors and hang-up
/// always wake, whatever is asked for; the library's next call then says what it is. Several tasks
/// may wait on one poll_fd. A descriptor on which poll makes no sense (a regular file) is always
/// ready.
///
/// Cancellation: total; the poll of a cancelled wait is taken back. Can be a case of select.
/// Lifetime: outlives its waits, or aborts. A borrowed descriptor stays open while anyone waits,
///   and the poll_fd is destroyed before the number is used for something else.
/// Errors: io_error "poll"; a descriptor that is not open aborts. Threads: one loop.
/// Cost: one request to the kernel for all who wait at a time; no allocation.
class poll_fd {
public:
    poll_fd() noexcept = default;
    /// The descriptor stays the caller's to close.
    [[nodiscard]] static poll_fd borrow(int fd) { return poll_fd(fd, false); }
    /// The poll_fd closes it.
    [[nodiscard]] static poll_fd own(int fd) { return poll_fd(fd, true); }

    /// Waits for any of `events` (POLLIN, ...) and returns those found, POLLERR and POLLHUP too.
    [[nodiscard]] detail::poll_awaiter wait(short events) noexcept { return {*state_, events}; }
    [[nodiscard]] detail::poll_awaiter wait_readable() noexcept { return wait(POLLIN); }
    [[nodiscard]] detail::poll_awaiter wait_writable() noexcept { return wait(POLLOUT); }

    void close() noexcept { state_.reset(); }
    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }

private:
    poll_fd(int fd, bool owned);
    detail::descriptor_handle<detail::poll_state> state_;
};

}  // namespace rf::io
