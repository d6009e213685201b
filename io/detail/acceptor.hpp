// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/descriptor.hpp>
#include <ringfence/io/endpoint.hpp>
#include <ringfence/runtime/detail/object_timer.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstdint>
#include <deque>
#include <string>

namespace rf::io::detail {

/// A listening socket: the accept request belongs to it, tasks wait on its queue of connections.
///
/// A multishot accept where there is one. While nobody waits, up to `queue_max` connections are
/// taken in advance; then the request is ended, and the rest wait in the kernel's backlog. What is
/// queued when the listener closes is closed too. Running out of descriptors or memory (EMFILE,
/// ENFILE, ENOBUFS, ENOMEM) is survived: connections wait in the backlog, the request is made again
/// after a pause that doubles from 5 ms to 1 s.
///
/// Stopped: the socket no longer listens. Connections that were complete by then are in the queue,
/// or on their way to it with the last completions of the accept request.
class acceptor final : public descriptor {
public:
    static constexpr std::size_t queue_max = 64;
    static constexpr int backlog_taken_max = 4096;  // by stop_listening()

    acceptor(int fd, const char* kind) noexcept;
    ~acceptor() override;

    class [[nodiscard]] accept_awaiter;

    /// Ends the request until somebody waits again: connections stay in the backlog.
    void pause() noexcept { accept_.request_cancel(); }

    /// Refuses clients from now on, and takes those whose connection is complete.
    void stop_listening() noexcept;

    /// Where it listens, or did.
    [[nodiscard]] endpoint local() const noexcept {
        return stopped_ ? local_ : endpoint::local_of(fd());
    }

    std::uint64_t accepted = 0;
    std::uint64_t pauses = 0;  // times that descriptors or memory ran out

    [[nodiscard]] std::string about() const;

private:
    struct accept_request final : rf::operation {
        acceptor* owner = nullptr;
        void start() noexcept;
        void on_completion(std::int32_t res, std::uint32_t flags) noexcept override;
        void on_retired() noexcept override;
    };
    struct retry_timer : rf::detail::object_timer {
        retry_timer() noexcept : object_timer("pause of a listener") {}
        acceptor* owner = nullptr;
    };

    void wait(accept_awaiter& who) noexcept;
    void forget() noexcept { waiting_ = nullptr; }
    void arrived(std::int32_t res) noexcept;
    void take_backlog() noexcept;
    [[nodiscard]] bool at_end() const noexcept { return stopped_ && !accept_.outstanding(); }
    void wake() noexcept;
    void stop() noexcept override;
    [[nodiscard]] bool idle() const noexcept override { return !accept_.outstanding(); }

    accept_request accept_;
    retry_timer retry_;
    instant pause_ = 0;  // how long the last one was
    std::deque<int> ready_;
    int error_ = 0;
    bool stopped_ = false;
    endpoint local_;  // since it was stopped
    accept_awaiter* waiting_ = nullptr;
};

/// `co_await`: a connected descriptor. Cancelled, it leaves the connection to the next accept.
class [[nodiscard]] acceptor::accept_awaiter final : public waiter {
public:
    explicit accept_awaiter(acceptor& from) noexcept : from_(&from) {}
    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && (!from_->ready_.empty() || from_->at_end());
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) start();
    }
    void start() noexcept { from_->wait(*this); }
    result<int> await_result() noexcept;
    int await_resume();
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        from_->forget();
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override;

private:
    friend class acceptor;
    acceptor* from_;
};

}  // namespace rf::io::detail
