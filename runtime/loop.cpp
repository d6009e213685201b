// SPDX-License-Identifier: MIT
#include <ringfence/runtime/loop.hpp>

#include <ringfence/runtime/detail/openings.hpp>
#include <ringfence/runtime/detail/scheduler.hpp>
#include <ringfence/runtime/detail/unwind_watch.hpp>
#include <ringfence/runtime/flight_recorder.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace rf {
namespace {

constexpr std::size_t prefetched_ahead = 6;

[[nodiscard]] bool is_to_unwind(const detail::task_record& task) noexcept {
    return task.state == detail::task_state::unwinding ||
           (!task.started && task.scope->cancelled());
}

}  // namespace

loop::loop(std::unique_ptr<driver> kernel, loop_limits limits)
    : driver_(std::move(kernel)), limits_(limits),
      ready_max_(static_cast<std::int32_t>(limits.hops_max)),
      root_(detail::scope_kind::root, std::source_location::current()) {
    RF_ASSERT(detail::slot.owner == nullptr,
              "this thread runs a loop already; rf::run cannot be called from inside rf::run");
    detail::slot.owner = this;
    now_ = driver_->now();
    root_.attach(nullptr, nullptr);
}

loop::~loop() {
    services_.clear();
    // A sender whose message has been taken may still be about to ring the bell.
    while (posters_.load(std::memory_order_acquire) != 0)
        std::this_thread::yield();
    // A descriptor left open harms nobody's memory: run() has reported it, and that is enough.
    rf::accounting pending = account();
    pending.descriptors = 0;
    if (!pending.empty() || !inbox_.empty() || posts_expected_ != 0) {
        std::fprintf(stderr, "ringfence: a loop was destroyed with work pending: %s\n%s%s",
                     account().receipt().c_str(), task_tree(*this).c_str(),
                     ledger_.describe().c_str());
        std::abort();
    }
    ledger_.abandon();
    root_.detach();
    detail::slot.owner = nullptr;
}

bool loop::work_left() const noexcept {
    return counters_.tasks_live != 0 || counters_.operations != 0 || posts_expected_ != 0 ||
           !inbox_.empty();
}

void loop::run_until_idle() noexcept {
    while (work_left())
        turn(true);
    // Services may hold requests of their own (a poll, a timer): they end last.
    stop_services();
    while (work_left())
        turn(true);
}

void loop::turn(bool may_sleep) noexcept {
    run_ready();
    if (!inbox_.empty()) take_inbox();
    if (on_turn != nullptr) on_turn(*this);
    if (timers_.armed_count() != 0) {
        now();
        // In bounded batches: thousands of deadlines at once submit thousands of cancels.
        (void)timers_.fire_due(now_, limits_.timers_max);
    }
    if (watched_ && flight_ != nullptr) [[unlikely]]
        flight_->settle();

    if (has_ready()) {
        // Something can run: look at the kernel without sleeping, and only when there is a reason.
        if (driver_->has_unsubmitted() || driver_->has_deferred() ||
            ++turns_since_enter_ >= limits_.idle_turns_max) {
            turns_since_enter_ = 0;
            driver_->poll();
            now();
        }
    } else if (may_sleep && work_left()) {
        turns_since_enter_ = 0;
        if (on_quiescent != nullptr && counters_.tasks_live != 0 && quiescent() &&
            on_quiescent(*this))
            return;
        driver_->wait(inbox_.empty() ? timers_.next_deadline() : now_);
        now();
    } else {
        turns_since_enter_ = 0;
        driver_->poll();
        now();
    }
    reap();
}

void loop::reap() noexcept {
    // Completions are copied out and handed to their operations, which only queue tasks: no user
    // code runs here, so nothing here can be re-entered.
    completion batch[64];
    for (std::uint32_t round = 0; round < 64; ++round) {
        const std::size_t count = driver_->reap(batch);
        // With many connections each completion is of memory that has left the cache: it is on
        // its way while those before it are served.
        for (std::size_t i = 0; i < std::min(count, prefetched_ahead); ++i)
            operation::prefetch(batch[i]);
        for (std::size_t i = 0; i < count; ++i) {
            if (i + prefetched_ahead < count) operation::prefetch(batch[i + prefetched_ahead]);
            operation::dispatch(*this, batch[i]);
        }
        if (count < std::size(batch)) return;
    }
}

void loop::take_inbox() noexcept {
    for (inbox_message* message = inbox_.take_all(); message != nullptr;) {
        inbox_message* next = message->next;  // run() may free the message
        message->run(*message);
        message = next;
    }
}

void loop::run_ready() noexcept {
    if (scheduler_ != nullptr) [[unlikely]]
        return run_chosen();
    const detail::task_record* only = ready_head_;
    if (only != nullptr && only->ready_next != nullptr)
        lonely_turns_ = 0;
    else if (lonely_turns_ < lonely_enough)
        ++lonely_turns_;
    std::uint64_t beat = resumes_;
    for (std::uint32_t left = limits_.resumptions_max; left != 0 && ready_head_ != nullptr;
         --left) {
        detail::task_record& task = *ready_head_;
        ready_head_ = task.ready_next;
        if (ready_head_ == nullptr) ready_tail_ = &ready_head_;
        begin_beat(beat);
        run_task(task);
    }
    end_beat(beat);
}

inline void loop::begin_beat(std::uint64_t& beat) noexcept {
#if RF_BOOKKEEPING
    beat_.store(beat += 2, std::memory_order_relaxed);
#else
    (void)beat;
#endif
}

inline void loop::end_beat(std::uint64_t beat) noexcept {
    resumes_ = beat;
#if RF_BOOKKEEPING
    beat_.store(beat | 1, std::memory_order_relaxed);
#endif
}

[[gnu::always_inline]] inline void loop::run_task(detail::task_record& task) noexcept {
    if (watched_) [[unlikely]]
        return run_watched(task);
    run_or_unwind(task);
}

void loop::run_watched(detail::task_record& task) noexcept {
    if (flight_ == nullptr) return run_or_unwind(task);
    const std::uint64_t id = task.id;
    if (!is_to_unwind(task)) {
        if (task.started)
            flight_->note(flight_event::goes_on, id, task.leaf->at, now_);
        else
            flight_->note(flight_event::starts, id, task.spawned(), now_);
    }
    run_or_unwind(task);
    if (flight_ != nullptr && ended_ != id)
        flight_->note(flight_event::waits, id, task.leaf->at, now_);
}

[[gnu::always_inline]] inline void loop::run_or_unwind(detail::task_record& task) noexcept {
    if (is_to_unwind(task)) [[unlikely]]
        unwind(task);
    else
        resume(task);
}

// One task a turn, so that the kernel and the timers get their say between any two.
void loop::run_chosen() {
    if (ready_head_ == nullptr) return;
    std::vector<detail::task_record*> ready;
    for (detail::task_record* task = ready_head_; task != nullptr; task = task->ready_next)
        ready.push_back(task);
    const std::size_t at = scheduler_->choose(ready);
    RF_ASSERT(at < ready.size(), "a scheduler chose a task that is not ready");
    detail::task_record& task = *ready[at];
    (at == 0 ? ready_head_ : ready[at - 1]->ready_next) = task.ready_next;
    if (task.ready_next == nullptr)
        ready_tail_ = at == 0 ? &ready_head_ : &ready[at - 1]->ready_next;
    scheduler_->before(task);
    std::uint64_t beat = resumes_;
    begin_beat(beat);
    run_task(task);
    end_beat(beat);
    if (scheduler_ != nullptr) scheduler_->after();
}

[[gnu::noinline]] void loop::finish(detail::task_record& task) noexcept {
    if (watched_) [[unlikely]]
        tell_of_return(task);
    task.finish(task, false);  // clears slot.current when the frame is gone
}

[[gnu::always_inline]] inline void loop::resume(detail::task_record& task) noexcept {
    detail::loop_slot& slot = detail::slot;
    task.started = true;
    task.state = detail::task_state::running;
    slot.ready_left = ready_max_;
    slot.current = &task;
    task.leaf->handle().resume();
    // Most resumptions do one thing and wait again, in the frame in which they began.
    if (!slot.next) [[likely]] {
        if (task.state < detail::task_state::unwinding) {
            slot.current = nullptr;
            return;
        }
        if (task.state == detail::task_state::finished && !watched_)
            return task.finish(task, false);
    }
    run_trampoline(task, std::exchange(slot.next, nullptr), limits_.hops_max - 1);
}

// Goes on with `next`, or with what the task has come to, until it waits, gives way or has ended. A
// combinator that is left by unwinding may unwind on, through as many scopes as there are around
// it: hence a loop, and no recursion.
[[gnu::noinline]] void loop::run_trampoline(detail::task_record& task, std::coroutine_handle<> next,
                                            std::uint32_t hops) noexcept {
    detail::loop_slot& slot = detail::slot;
    for (;;) {
        while (next) {
            if (hops-- == 0) break;
            next.resume();
            next = std::exchange(slot.next, nullptr);
        }
        if (next) {
            // A task that never waits: to the back of the queue. `leaf` is where it goes on.
            task.state = detail::task_state::ready;
            push_ready(task);
        }
        if (task.state == detail::task_state::finished) return finish(task);
        slot.current = nullptr;
        if (task.state != detail::task_state::unwinding) return;
        next = destroy_to_boundary(task);
        if (!next) return;
        slot.current = &task;
        task.state = detail::task_state::running;
    }
}

void loop::tell_of_return(const detail::task_record& task) noexcept {
    if (flight_ != nullptr) {
        flight_->note(flight_event::ends, task.id, task.spawned(), now_);
        ended_ = task.id;
    }
    if (unwind_watch_ == nullptr) return;
    if (const detail::scope_node* scope = task.scope->cancelled_by(); scope != nullptr)
        unwind_watch_->returns(task, *scope);
}

void loop::tell_of_unwinding(const detail::task_record& task) noexcept {
    if (flight_ != nullptr) flight_->note(flight_event::unwinds, task.id, task.leaf->at, now_);
    if (unwind_watch_ == nullptr) return;
    if (const detail::scope_node* scope = task.scope->cancelled_by(); scope != nullptr)
        unwind_watch_->unwinds(task, *scope);
}

[[gnu::noinline]] void loop::unwind(detail::task_record& task) noexcept {
    const std::coroutine_handle<> next = destroy_to_boundary(task);
    if (!next) return;
    detail::slot.ready_left = ready_max_;
    detail::slot.current = &task;
    task.state = detail::task_state::running;
    run_trampoline(task, next, limits_.hops_max);
}

// Destroys frames from the leaf up. Returns the frame that goes on: a timeout, a nursery or a
// finally(), which decides. Null if there was none and the task is gone.
std::coroutine_handle<> loop::destroy_to_boundary(detail::task_record& task) noexcept {
    detail::loop_slot& slot = detail::slot;
    task.state = detail::task_state::unwinding;
    if (watched_) [[unlikely]]
        tell_of_unwinding(task);
    for (;;) {
        detail::frame& leaf = *task.leaf;
        detail::await_link* link = leaf.link();
        slot.current = &task;
        slot.unwinding = true;
        if (link == nullptr) {
            if (flight_ != nullptr) [[unlikely]] {
                flight_->note(flight_event::ends, task.id, task.spawned(), now_);
                ended_ = task.id;
            }
            task.finish(task, true);  // clears slot.current and slot.unwinding
            return nullptr;
        }
        // The awaiter in the parent must not destroy the child again.
        link->child = nullptr;
        task.leaf = link->parent();
        const bool boundary = link->boundary();
        leaf.handle().destroy();
        slot.unwinding = false;
        if (boundary) return task.leaf->handle();
    }
}

}  // namespace rf
