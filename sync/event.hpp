// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/sync/detail/wait_queue.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace rf::sync {

struct event_statistics {
    std::size_t waiting = 0;  // tasks that wait now
    std::uint64_t sets = 0;   // calls of set() that changed something
};

/// A flag that tasks wait for. Once set it lets everybody through until it is reset.
///
///     rf::sync::event ready;
///     ...
///     co_await ready.wait();         // in any number of tasks
///     ready.set();                   // in another
///
/// To let exactly one through per set(), use auto_event; between threads, shared_event.
///
/// Order: set() makes all who wait ready, oldest first; a reset() right after does not hold them
///   back. Cancellation: wait() is a cancel point, even if the event is set; a cancelled wait
///   leaves nothing behind. Can be a case of select.
/// Lifetime: outlives its waiters, or aborts. Threads: one loop.
/// Cost: never allocates; wait() on a set event does not suspend.
class event {
public:
    class [[nodiscard]] wait_awaiter;

    explicit event(bool set = false,
                   std::source_location made = std::source_location::current()) noexcept
        : identity_{"event", made}, set_(set) {}
    ~event() { waiters_.require_empty(identity_); }

    /// Lets everybody through from now on. Queues those who wait on the loop, runs none of them.
    void set() noexcept {
        if (set_) return;
        set_ = true;
        ++sets_;
        while (!waiters_.empty())
            waiters_.pop(identity_).grant();
    }
    /// From now on tasks wait again.
    void reset() noexcept { set_ = false; }
    [[nodiscard]] bool is_set() const noexcept { return set_; }

    [[nodiscard]] wait_awaiter wait() noexcept;

    [[nodiscard]] event_statistics statistics() const noexcept { return {waiters_.count(), sets_}; }

private:
    detail::identity identity_;
    detail::wait_queue waiters_;
    std::uint64_t sets_ = 0;
    bool set_;
};

/// A gate that lets one task through per set(): the oldest that waits, or the next to come. Sets
/// that meet no waiter are not counted: the gate is open for one, however often it was set.
///
/// To count, use semaphore; to let everybody through, event. The rest is as with event; a task that
/// was let through and is cancelled before it runs has been let through.
class auto_event {
public:
    class [[nodiscard]] wait_awaiter;

    explicit auto_event(bool set = false,
                        std::source_location made = std::source_location::current()) noexcept
        : identity_{"auto_event", made}, set_(set) {}
    ~auto_event() { waiters_.require_empty(identity_); }

    void set() noexcept {
        ++sets_;
        if (waiters_.empty())
            set_ = true;
        else
            waiters_.pop(identity_).grant();
    }
    void reset() noexcept { set_ = false; }
    /// Whether the next wait() will pass at once.
    [[nodiscard]] bool is_set() const noexcept { return set_; }
    /// Goes through the gate if it is open.
    [[nodiscard]] bool try_wait() noexcept { return std::exchange(set_, false); }

    [[nodiscard]] wait_awaiter wait() noexcept;

    [[nodiscard]] event_statistics statistics() const noexcept { return {waiters_.count(), sets_}; }

private:
    detail::identity identity_;
    detail::wait_queue waiters_;
    std::uint64_t sets_ = 0;
    bool set_;
};

// Implementation

class [[nodiscard]] event::wait_awaiter final : public detail::tried_wait<wait_awaiter> {
public:
    explicit wait_awaiter(event& on) noexcept : event_(&on) {}

    [[nodiscard]] bool try_now() const noexcept { return event_->set_; }
    void start() noexcept { event_->waiters_.add(*this, event_->identity_); }
    void await_resume() const noexcept {}
    void describe(wait_description& out) const override {
        event_->identity_.describe(out, "event", "be set");
        out.object = event_;
    }

private:
    event* event_;
};

class [[nodiscard]] auto_event::wait_awaiter final : public detail::tried_wait<wait_awaiter> {
public:
    explicit wait_awaiter(auto_event& on) noexcept : event_(&on) {}

    [[nodiscard]] bool try_now() const noexcept { return event_->try_wait(); }
    void start() noexcept { event_->waiters_.add(*this, event_->identity_); }
    void await_resume() const noexcept {}
    void describe(wait_description& out) const override {
        event_->identity_.describe(out, "event", "be set");
        out.object = event_;
    }

private:
    auto_event* event_;
};

inline event::wait_awaiter event::wait() noexcept { return wait_awaiter(*this); }
inline auto_event::wait_awaiter auto_event::wait() noexcept { return wait_awaiter(*this); }

}  // namespace rf::sync
