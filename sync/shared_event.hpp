// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/sync/detail/shared_core.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace rf::sync {

struct shared_event_statistics {
    std::size_t waiting = 0;  // tasks and threads that wait now
    std::size_t handles = 0;  // that exist
    std::uint64_t sets = 0;   // calls of set() that changed something
    std::uint64_t posts = 0;  // messages to loops that had tasks waiting
};

namespace detail {

class shared_event_wait : public shared_wait {
public:
    std::uint64_t seen = 0;  // the number of sets when the wait began

protected:
    explicit shared_event_wait(shared_core& on) noexcept : shared_wait(on, shared_side::take) {}
    shared_event_wait(shared_event_wait&&) noexcept = default;
    ~shared_event_wait() = default;
};

class shared_event_core final : public shared_core {
public:
    shared_event_core(bool set, std::source_location made) noexcept
        : shared_core("shared_event", made), set_(set) {}

    void set() noexcept;
    void reset() noexcept;
    [[nodiscard]] bool is_set() const noexcept;
    [[nodiscard]] bool wait_blocking(std::chrono::nanoseconds limit) noexcept;
    [[nodiscard]] shared_event_statistics statistics() const noexcept;
    [[nodiscard]] std::uint64_t sets() const noexcept;

private:
    bool serve(shared_wait& wait) noexcept override;
    [[nodiscard]] std::size_t ready(shared_side side) const noexcept override;

    std::uint64_t sets_ = 0;
    bool set_;
};

class [[nodiscard]] shared_event_awaiter final
    : public tried_wait<shared_event_awaiter, shared_event_wait> {
public:
    explicit shared_event_awaiter(shared_event_core& on) noexcept : tried_wait(on) {}
    [[nodiscard]] bool try_now() noexcept {
        seen = static_cast<shared_event_core*>(core_)->sets();
        return core_->try_serve(*this);
    }
    void start() noexcept { core_->line_up(*this); }
    void await_resume() const noexcept {}
    void describe(wait_description& out) const override {
        core_->id().describe(out, "event", "be set");
        out.object = core_;
        out.owner = "another thread or task";
    }
};

}  // namespace detail

/// A flag that tasks of any loop, and plain threads, wait for. Once set it lets everybody through
/// until it is reset. On one loop, event is cheaper.
///
/// A handle, as shared_channel is: each thread has one of its own, the flag lives as long as its
/// handles, and a wait counts as waiting for another thread unless the event was made on this loop
/// and has no other handle.
///
/// Order: set() lets through all who wait; a reset() right after does not hold them back.
/// Cancellation: wait() is a cancel point, even if the event is set; cancelled, it leaves nothing
///   behind. Can be a case of select. Threads: any.
/// Cost: a lock held for moments; set() sends one message to each loop that has tasks waiting.
class shared_event : public detail::shared_handle<detail::shared_event_core> {
public:
    explicit shared_event(bool set = false,
                          std::source_location made = std::source_location::current())
        : shared_handle(new detail::shared_event_core(set, made)) {}

    /// Lets everybody through from now on.
    void set() noexcept { core().set(); }
    /// From now on they wait again.
    void reset() noexcept { core().reset(); }
    [[nodiscard]] bool is_set() const noexcept { return core().is_set(); }

    /// For tasks.
    [[nodiscard]] detail::shared_event_awaiter wait() noexcept {
        return detail::shared_event_awaiter(core());
    }
    /// For plain threads: whether it was set within `limit`. On a loop's thread, aborts.
    template <class Rep, class Period>
    [[nodiscard]] bool wait_blocking(std::chrono::duration<Rep, Period> limit) noexcept {
        return core().wait_blocking(std::chrono::nanoseconds(rf::detail::to_nanoseconds(limit)));
    }

    [[nodiscard]] shared_event_statistics statistics() const noexcept {
        return core().statistics();
    }
};

}  // namespace rf::sync
