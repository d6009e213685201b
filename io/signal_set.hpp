// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/signals.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <array>
#include <coroutine>
#include <cstdint>

namespace rf::io {

namespace detail {
class signal_queue;

class [[nodiscard]] signal_awaiter final : public waiter {
public:
    using selectable = void;

    explicit signal_awaiter(signal_queue& queue) noexcept : queue_(&queue) {}
    [[nodiscard]] bool await_ready() const noexcept;
    void await_suspend(std::coroutine_handle<>) noexcept;
    void start() noexcept;
    int await_resume() noexcept;
    [[nodiscard]] cancel_outcome cancel() noexcept override;
    void describe(wait_description& out) const override;
    void wake() noexcept { resume(); }

private:
    signal_queue* queue_;
};
}  // namespace detail

/// Signals of the process as something to wait for, in place of handlers.
///
///     auto reload = rf::io::signal_set({SIGHUP, SIGUSR1});
///     for (;;) {
///         int signal = co_await reload.next();
///         ...
///     }
///
/// As long as it lives, the signals do nothing else to the process; afterwards they do again what
/// they did before. Nothing is blocked. Each arrival is kept until a task has taken it, so none is
/// lost between two calls of next(). The kernel itself merges: a standard signal that is sent twice
/// before the process has been interrupted arrives once. Several sets, and rf::run's stop_on, may
/// name one signal; each hears of every arrival.
///
/// Cancellation: next() is total: a signal that nobody took stays for the next call.
/// Lifetime: outlives the task that waits. One task may wait at a time.
/// Threads: made, used and destroyed on one loop; signals arrive on any thread.
/// Cost: the handler costs one wake of the loop; a set is one block of memory.
class signal_set {
public:
    /// At most 8 signals. One that cannot be caught (SIGKILL, SIGSTOP) is a bug and aborts.
    explicit signal_set(const signal_list& signals);
    signal_set(signal_set&& other) noexcept;
    signal_set& operator=(signal_set&& other) noexcept;
    ~signal_set();

    /// The number of a signal that has arrived: the first in the list that has, if there are
    /// several.
    [[nodiscard]] detail::signal_awaiter next() noexcept;

    /// The same without waiting; 0 if there is none.
    [[nodiscard]] int try_next() noexcept;

private:
    rf::detail::owned<detail::signal_queue> queue_;
};

}  // namespace rf::io
