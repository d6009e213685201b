// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/wait_owners.hpp>

#include <cstdint>
#include <string>

namespace rf {

namespace detail {
class select_wait;
}

/// What a wait says to the request that it end.
enum class cancel_outcome {
    removed,  // the wait had no effect and is over: the task unwinds now
    pending,  // the answer comes later, as resume() or as unwind()
    refused,  // it cannot be cancelled; the task goes on waiting and unwinds at its next wait
};

/// What a wait tells about itself in the task tree.
struct wait_description {
    std::string what;              // "receive on 127.0.0.1:7000", "sleep", "join of 3 children"
    const char* kind = "wait";     // a fixed word: "io", "sleep", "join", "channel", "foreign"
    const void* object = nullptr;  // the primitive or socket waited on
    std::string owner;             // who should wake it, where that is known
    std::uint64_t owner_task = 0;  // the same as a task's number; 0: not one task, or unknown
    bool cancellable = true;
};

namespace detail {

/// Who waits: the record of a task; null before the wait and after its end. For a case of a select,
/// the select with the lowest bit set.
///
/// The base of waiter rather than a part of it: a destructor that checks something would otherwise
/// have to turn the object back into a waiter first, at the cost of a store in each wait.
class wait_owner {
public:
    wait_owner(const wait_owner&) = delete;
    wait_owner& operator=(const wait_owner&) = delete;

protected:
    wait_owner() noexcept = default;
    ~wait_owner() {
        RF_ASSERT(task_ == nullptr,
                  "an awaiter was destroyed while its task still waits on it; frames of suspended "
                  "tasks are destroyed by the loop alone");
    }
    task_record* task_ = nullptr;
};

}  // namespace detail

/// One suspended wait of one task: the base of every awaiter that suspends a task, ours or a
/// user's. It lives in the awaiting frame, tells the task tree what the task waits for, and ends
/// the wait when the task's scope is cancelled.
///
/// The protocol, for an awaiter `op` that derives from waiter:
///   1. `await_ready()` returns `!cancel_requested() && <it could be done at once>`: every wait is
///      a cancel point, even one that need not wait.
///   2. `await_suspend(h)` calls enter() and starts the operation only if that returned true.
///      False means that the scope is cancelled: nothing may be started, the task unwinds.
///   3. Whoever completes the operation calls resume() exactly once: the effect took place, the
///      task goes on. It is queued, never run inside the call. Same thread only; other threads
///      post to the loop's inbox.
///   4. cancel() is called at most once per wait, on the loop's thread, while the wait is on. See
///      cancel_outcome. After `pending` the operation ends with resume() if it took effect in
///      spite of the cancel, or with unwind() if it had none. Neither may come before whoever
///      else holds pointers into the awaiter (the kernel, a queue) has let go of them.
///   5. The awaiter is destroyed only after that, because frames are destroyed by the loop.
///   6. An awaiter whose cancel() always answers `removed` can be a case of rf::select: it says
///      `using selectable = void;` and keeps what it does after enter() in a public
///      `void start()`, so that await_suspend is `if (enter()) start();`.
///
/// docs/how-to/write-an-awaitable.md has a worked example.
///
/// Threads: one loop. Cost: five stores per wait; the virtual calls happen only on cancel and in a
/// dump.
class waiter : detail::wait_owner {
public:
    /// Only before the wait has begun: operations can be stored and handed on until awaited.
    waiter(waiter&& other) noexcept : wait_owner() {
        RF_ASSERT(other.task_ == nullptr, "a wait was moved while a task waits on it");
    }
    waiter& operator=(const waiter&) = delete;

    /// Ends the wait early, if that can be done.
    [[nodiscard]] virtual cancel_outcome cancel() noexcept = 0;

    /// After cancel() answered `removed`, and after all waits that end together with this one have
    /// been taken back: the place to let others pass who waited behind. Must not run user code.
    virtual void on_removed() noexcept {}

    /// The scope that the task is in began to drain. A wait for new work may end now, as if there
    /// were none; by default nothing happens. On the loop's thread; must not run user code.
    virtual void on_drain() noexcept {}

    /// Fills in what the task waits for. Runs in a dump; must only read.
    virtual void describe(wait_description& out) const = 0;

    /// Names who can end the wait. Runs when the wait-for graph is made; must only read, and should
    /// not allocate, for there may be a hundred thousand of them. By default anybody can.
    virtual void owners(wait_owners& out) const { out.anybody(); }

    /// When the wait began.
    [[nodiscard]] instant since() const noexcept { return since_; }

    /// Asks the wait of `task`, if it is in one, to end. Once per wait; for scopes alone.
    static void ask_to_end(detail::task_record& task) noexcept;
    /// Tells the wait of `task`, if it is in one, of a drain. For scopes alone.
    static void tell_of_drain(detail::task_record& task) noexcept;
    /// Makes `one` a case of `group`, whose task waits, or takes it back if it still is one. For
    /// select alone.
    static void begin_case(waiter& one, detail::select_wait& group) noexcept;
    static void end_case(waiter& one) noexcept;
    static void drain_case(waiter& one) noexcept {
        if (one.waiting()) one.on_drain();
    }

protected:
    waiter() noexcept = default;
    ~waiter() = default;

    /// Whether the scope that the calling task is in has been cancelled.
    [[nodiscard]] static bool cancel_requested() noexcept;

    /// Makes this the current task's wait. False if the scope is cancelled: the task will unwind.
    [[nodiscard]] bool enter() noexcept;

    /// The same, for the few waits that go on in a cancelled scope (joins, cleanup).
    void enter_uncancellable() noexcept;

    /// The wait took effect: the task goes on.
    void resume() noexcept;

    /// The wait was cancelled and had no effect: the task unwinds. Only after cancel().
    void unwind() noexcept;

    /// The wait never began after all (starting it threw): the task runs on.
    void abandon() noexcept;

    [[nodiscard]] bool waiting() const noexcept { return task_ != nullptr; }

    /// The number of the task that waits. Only while waiting.
    [[nodiscard]] std::uint64_t waiting_task_id() const noexcept {
        return is_case() ? select_task_id() : task_->id;
    }

private:
    [[nodiscard]] bool is_case() const noexcept {
        return (reinterpret_cast<std::uintptr_t>(task_) & 1) != 0;
    }
    [[nodiscard]] detail::select_wait& group() const noexcept;
    void win_select() noexcept;
    [[nodiscard]] std::uint64_t select_task_id() const noexcept;

    [[no_unique_address]] detail::noted_time since_;
};

// Implementation

inline bool waiter::cancel_requested() noexcept {
    RF_ASSERT(detail::slot.current != nullptr,
              "a ringfence operation was awaited outside a ringfence task; start tasks with "
              "rf::run or nursery::spawn");
    return detail::slot.current->scope->cancelled();
}

inline bool waiter::enter() noexcept {
    if (cancel_requested()) [[unlikely]] {
        detail::slot.current->state = detail::task_state::unwinding;
        return false;
    }
    enter_uncancellable();
    return true;
}

inline void waiter::enter_uncancellable() noexcept {
    detail::task_record* task = detail::slot.current;
    task_ = task;
    since_ = detail::slot.owner->cached_now();
    task->wait = this;
    task->cancel_sent = false;
    task->state = detail::task_state::waiting;
}

inline void waiter::resume() noexcept {
    if (is_case()) [[unlikely]]
        return win_select();
    detail::task_record* task = task_;
    RF_ASSERT(task != nullptr, "a wait was ended twice, or before it began");
    RF_ASSERT(
        detail::slot.owner != nullptr,
        "a task was woken from a thread that does not run its loop; post to its loop instead");
    task_ = nullptr;
    task->state = detail::task_state::ready;
    __builtin_prefetch(task->leaf);  // where the task goes on, some tasks later
    detail::slot.owner->push_ready(*task);
}

inline void waiter::abandon() noexcept {
    task_->state = detail::task_state::running;
    task_ = nullptr;
}

inline void waiter::ask_to_end(detail::task_record& task) noexcept {
    if (!task.waits() || task.cancel_sent) return;
    task.cancel_sent = true;
    waiter& wait = *task.wait;
    if (wait.cancel() != cancel_outcome::removed) return;
    wait.on_removed();
    wait.unwind();
}

inline void waiter::tell_of_drain(detail::task_record& task) noexcept {
    if (task.waits() && !task.cancel_sent) task.wait->on_drain();
}

inline void waiter::unwind() noexcept {
    detail::task_record* task = task_;
    RF_ASSERT(task != nullptr && task->cancel_sent,
              "waiter::unwind() is the answer to cancel() and to nothing else");
    task_ = nullptr;
    task->state = detail::task_state::unwinding;
    // Cancelled by its own await_suspend: the loop is in the task and unwinds it at once.
    if (task != detail::slot.current) detail::slot.owner->push_ready(*task);
}

}  // namespace rf
