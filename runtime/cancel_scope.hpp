// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/task.hpp>

#include <optional>
#include <source_location>
#include <string_view>
#include <utility>

namespace rf {

/// What a body under a scope came to: its value, or nothing if the scope was cancelled first. For a
/// body without a value: whether it finished.
template <class T>
using if_finished = std::conditional_t<std::is_void_v<T>, bool, std::optional<detail::storable<T>>>;

/// A region of a task that can be cancelled from elsewhere on its loop.
///
///     rf::cancel_scope scope;
///     auto answer = co_await scope.run([&] { return ask(server); });   // in one task
///     scope.cancel("the user left");                                   // in another
///
/// cancel() is level-triggered: every wait inside the region, from now on, ends by unwinding, and
/// the region with it. A body that finishes in spite of that has finished, and its value counts.
///
/// Lifetime: outlives its run(). One run() at a time; a cancelled scope stays cancelled.
/// Threads: one loop. Cost: cancel is linear in the scopes and tasks inside.
class cancel_scope {
public:
    explicit cancel_scope(std::source_location where = std::source_location::current()) noexcept
        : node_(detail::scope_kind::scope, where) {}
    cancel_scope(const cancel_scope&) = delete;
    cancel_scope& operator=(const cancel_scope&) = delete;

    /// Runs `work` (a task, an operation, or a callable that returns either) inside the scope.
    /// Nothing, if this scope was cancelled before it finished. Cancellation from further out
    /// unwinds through.
    template <detail::work W>
    [[nodiscard]] task<if_finished<detail::work_result<W>>> run(W work);

    /// Cancels what runs inside, now or later. Later calls change nothing. `reason` is for people.
    void cancel(std::string_view reason = {},
                std::source_location where = std::source_location::current()) noexcept {
        node_.cancel(cancel_cause::requested, reason, where);
    }

    /// Cancels at `when`, unless moved again. In the past: at once.
    void set_deadline(clock::time_point when) noexcept {
        node_.set_deadline(detail::to_instant(when));
    }
    template <class Rep, class Period>
    void set_timeout(std::chrono::duration<Rep, Period> span) noexcept {
        node_.set_deadline(detail::after(detail::to_nanoseconds(span)));
    }

    /// Whether this very scope was cancelled, why, and by which line.
    [[nodiscard]] bool cancelled() const noexcept { return node_.cancelled_here(); }
    [[nodiscard]] cancel_cause cause() const noexcept { return node_.cause(); }
    [[nodiscard]] std::string_view reason() const noexcept { return node_.reason(); }
    [[nodiscard]] std::source_location cancelled_at() const noexcept {
        return node_.cancelled_at();
    }

private:
    detail::scope_node node_;
};

// Implementation

namespace detail {

/// Puts a scope below the current task's for as long as it lives.
class scope_entry {
public:
    explicit scope_entry(scope_node& node) noexcept : node_(node) {
        task_record* task = slot.current;
        RF_ASSERT(task != nullptr, "scopes are for tasks: await this under rf::run");
        RF_ASSERT(node.parent() == nullptr, "a cancel_scope runs one body at a time");
        node_.attach(task->scope, task);
    }
    scope_entry(const scope_entry&) = delete;
    scope_entry& operator=(const scope_entry&) = delete;
    ~scope_entry() { node_.leave(); }

private:
    scope_node& node_;
};

template <class T>
if_finished<T> to_if_finished(outcome<T>& end) {
    if constexpr (std::is_void_v<T>) {
        end.take();
        return true;
    } else {
        return if_finished<T>(end.take());
    }
}

/// Runs a body under `node`; an unfinished body yields nothing if `node` itself was cancelled, and
/// unwinds on if a scope around it was.
template <class W>
task<if_finished<work_result<W>>> run_under(scope_node& node, W& work) {
    using result = work_result<W>;
    outcome<result> end;
    {
        scope_entry inside(node);
        end = co_await body_awaiter<result>(start_work(work), &node);
    }
    if (!end.cancelled()) co_return to_if_finished<result>(end);
    co_await this_task::checkpoint();
    co_return if_finished<result>{};
}

}  // namespace detail

template <detail::work W>
task<if_finished<detail::work_result<W>>> cancel_scope::run(W work) {
    co_return co_await detail::run_under<W>(node_, work);
}

}  // namespace rf
