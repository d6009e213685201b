// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

/// Questions a task asks about itself. All refuse, with a sentence, outside a task.
namespace rf::this_task {

namespace detail_here {
[[nodiscard]] inline detail::task_record& current() noexcept {
    RF_ASSERT(detail::slot.current != nullptr, "this_task is for code that runs in a task");
    return *detail::slot.current;
}
}  // namespace detail_here

/// A number that no other task of this loop has or had.
[[nodiscard]] inline std::uint64_t id() noexcept { return detail_here::current().id; }

[[nodiscard]] inline const char* name() noexcept { return detail_here::current().name(); }
/// A name for the task tree. The text must outlive the task: a literal, as a rule.
inline void set_name(const char* text) noexcept { detail_here::current().origin.set_name(text); }

/// Whether the scope the task is in is cancelled: its next wait will unwind. For loops that compute
/// without waiting; a wait asks by itself.
[[nodiscard]] inline bool cancel_requested() noexcept {
    return detail_here::current().scope->cancelled();
}

/// The earliest deadline of the scopes around the task, up to a shield. Nothing if there is none.
[[nodiscard]] std::optional<clock::time_point> deadline() noexcept;

/// Whether the task is asked to finish what it is at and begin nothing new.
[[nodiscard]] inline bool draining() noexcept {
    detail::task_record& task = detail_here::current();
    if (!detail::slot.owner->drain_polled) {
        detail::slot.owner->drain_polled = true;
        ++detail::slot.owner->drain_listeners;
    }
    return task.scope->draining();
}

/// Whether frames are being destroyed by cancellation right now: true in destructors that run
/// because of it. Guards that look at std::uncaught_exceptions() alone take that for a normal exit.
[[nodiscard]] inline bool unwinding() noexcept { return detail::slot.unwinding; }

namespace detail_here {
class [[nodiscard]] drain_awaiter final : public waiter {
public:
    using selectable = void;

    drain_awaiter() noexcept = default;
    drain_awaiter(drain_awaiter&&) noexcept : waiter() {}

    [[nodiscard]] bool await_ready() const noexcept {
        return !cancel_requested() && current().scope->draining();
    }
    void await_suspend(std::coroutine_handle<>) noexcept {
        if (enter()) start();
    }
    void start() noexcept {
        hook_.owner = this;
        hook_.on_event = [](detail::scope_hook& hook) noexcept {
            auto* self = static_cast<owned_hook&>(hook).owner;
            --loop::here().drain_listeners;
            self->resume();
        };
        ++loop::here().drain_listeners;
        current().scope->on_drain.push_back(hook_);
    }
    void await_resume() const noexcept {}
    [[nodiscard]] cancel_outcome cancel() noexcept override {
        hook_.unlink();
        --loop::here().drain_listeners;
        return cancel_outcome::removed;
    }
    void describe(wait_description& out) const override {
        out.kind = "drain";
        out.what = "its scope to be drained";
    }

private:
    struct owned_hook : detail::scope_hook {
        drain_awaiter* owner = nullptr;
    };
    owned_hook hook_;
};
}  // namespace detail_here

/// Waits until the task is asked to drain. Cancel point.
[[nodiscard]] inline detail_here::drain_awaiter wait_draining() noexcept { return {}; }

}  // namespace rf::this_task
