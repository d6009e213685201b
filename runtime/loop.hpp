// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/accounting.hpp>
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/noted.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/detail/registry.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/slot.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/inbox.hpp>
#include <ringfence/runtime/ledger.hpp>
#include <ringfence/runtime/resource.hpp>
#include <ringfence/runtime/timer_wheel.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rf {

class flight_recorder;
class nursery;
class run_observer;
namespace detail {
class openings;
class scheduler;
struct shard_state;
class unwind_watch;
}  // namespace detail

/// Bounds on what one turn of the loop does, so that tasks, timers, messages and completions each
/// get their share.
struct loop_limits {
    std::uint32_t resumptions_max = 256;  // tasks resumed between two looks at the rest
    std::uint32_t hops_max = 1024;     // transfers inside one resumption, and waits in it that are
                                       // ready at once (a task that never waits)
    std::uint32_t timers_max = 1024;   // timers fired in one turn
    std::uint32_t idle_turns_max = 8;  // turns with tasks ready before the kernel is entered anyway
};

/// Something that a module keeps per loop (a buffer pool, a resolver cache). Destroyed with the
/// loop, after the last task and before the driver.
class loop_service {
public:
    loop_service() = default;
    loop_service(const loop_service&) = delete;
    loop_service& operator=(const loop_service&) = delete;
    virtual ~loop_service() = default;
    /// The last task is gone: cancels what the service still has in the kernel.
    virtual void stop() noexcept {}
    /// Names what the service keeps for tasks, for leak reports. Must only read.
    virtual void list_resources(const resource_visitor& visit) const { (void)visit; }
};

/// The event loop of one thread: ready queue, timers, inbox and the driver to the kernel.
///
/// Programs do not use it directly: rf::run makes one, tasks run on it, primitives and I/O talk to
/// it. One turn: resume ready tasks up to a bound; take the inbox; fire due timers; hand over what
/// was submitted and collect what is finished, sleeping only when nothing can run.
///
/// Threads: one for life. post() and wake() may be called from anywhere.
class loop {
public:
    explicit loop(std::unique_ptr<driver> kernel, loop_limits limits = {});
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;
    /// Nothing may be pending but open descriptors; what is, is printed, and the process aborts.
    ~loop();

    /// The loop of the calling thread; null outside rf::run.
    [[nodiscard]] static loop* current() noexcept { return detail::slot.owner; }

    /// The same, refused with a sentence where there is none.
    [[nodiscard]] static loop& here() noexcept {
        RF_ASSERT(
            detail::slot.owner != nullptr,
            "this needs a running loop: call it from a task under rf::run, on its own thread");
        return *detail::slot.owner;
    }

    /// Turns until no task is left and the kernel holds nothing.
    void run_until_idle() noexcept;

    /// One turn. `may_sleep` false: never waits.
    void turn(bool may_sleep) noexcept;

    /// Runs a message on the loop's thread. Any thread; the loop must be alive when the call
    /// begins, and waits for its end: the message may be the last thing that the program waited
    /// for.
    void post(inbox_message& message) noexcept {
        posters_.fetch_add(1, std::memory_order_relaxed);
        if (inbox_.push(message)) driver_->wake();
        posters_.fetch_sub(1, std::memory_order_release);
    }

    /// Ends the loop's sleep. Any thread, and signal handlers.
    void wake() noexcept { driver_->wake(); }

    // For tasks, primitives and I/O objects on this loop.

    void push_ready(detail::task_record& task) noexcept {
        task.ready_next = nullptr;
        *ready_tail_ = &task;
        ready_tail_ = &task.ready_next;
    }
    [[nodiscard]] bool has_ready() const noexcept { return ready_head_ != nullptr; }

    /// Whether the running task has had the loop for itself for some turns: nothing else is ready,
    /// nothing waits to be handed over. A request is then no cheaper than a system call.
    [[nodiscard]] bool lonely() const noexcept {
        return lonely_turns_ >= lonely_enough && ready_head_ == nullptr &&
               !driver_->has_unsubmitted();
    }

    /// The clock as of this turn. One load.
    [[nodiscard]] instant cached_now() const noexcept { return now_; }
    /// The clock, read anew.
    instant now() noexcept { return now_ = driver_->now(); }

    [[nodiscard]] rf::driver& kernel() noexcept { return *driver_; }
    [[nodiscard]] timer_wheel& timers() noexcept { return timers_; }
    [[nodiscard]] rf::accounting& counters() noexcept { return counters_; }
    [[nodiscard]] rf::ledger& ledger() noexcept { return ledger_; }
    [[nodiscard]] const rf::ledger& ledger() const noexcept { return ledger_; }

    /// Counts with the timers added: what the exit check reads.
    [[nodiscard]] rf::accounting account() const noexcept {
        rf::accounting now = counters_;
        now.timers = timers_.armed_count() - background_timers;
        return now;
    }

    [[nodiscard]] detail::scope_node& root() noexcept { return root_; }
    [[nodiscard]] const detail::scope_node& root() const noexcept { return root_; }

    /// The nursery that rf::run owns, home of daemons. Null outside rf::run.
    nursery* root_nursery = nullptr;

    /// Counts a task that begins, and gives its number.
    [[nodiscard]] std::uint64_t count_task() noexcept {
        const std::uint64_t number = ++counters_.tasks_started;
        if (++counters_.tasks_live > counters_.tasks_peak)
            counters_.tasks_peak = counters_.tasks_live;
        return number;
    }
    [[nodiscard]] std::uint64_t last_task_id() const noexcept { return counters_.tasks_started; }

    /// A number for choices that should be fair and need not be secret. The same sequence in every
    /// run, so that a run on a simulated kernel can be repeated.
    [[nodiscard]] std::uint32_t next_random() noexcept {
        random_ ^= random_ << 13;  // xorshift32, Marsaglia 2003
        random_ ^= random_ >> 17;
        return random_ ^= random_ << 5;
    }

    /// Somebody outside (another thread, a pool) owes this loop a message: it must not end yet,
    /// and a task that waits for it is not stuck.
    void expect_post() noexcept { ++posts_expected_; }
    void post_arrived() noexcept { --posts_expected_; }
    [[nodiscard]] std::uint64_t posts_expected() const noexcept { return posts_expected_; }

    /// Whether nothing can ever happen again by itself: no task ready, no timer, no request in the
    /// kernel, no outside poster. With tasks alive, that is a deadlock.
    [[nodiscard]] bool quiescent() const noexcept {
        return !has_ready() && timers_.armed_count() == background_timers &&
               counters_.operations == 0 && posts_expected_ == 0 && inbox_.empty();
    }

    /// The one Service of this loop, made on first use. Keep the reference: finding it walks a
    /// list.
    template <class Service>
    [[nodiscard]] Service& service() {
        static constexpr char key = 0;
        for (const auto& entry : services_)
            if (entry.key == &key) return static_cast<Service&>(*entry.object);
        services_.push_back({&key, std::make_unique<Service>(*this)});
        return static_cast<Service&>(*services_.back().object);
    }

    /// Tells all services that the last task is gone.
    void stop_services() noexcept {
        for (const auto& entry : services_)
            entry.object->stop();
    }

    /// What the services keep for tasks.
    void list_resources(const resource_visitor& visit) const {
        for (const auto& entry : services_)
            entry.object->list_resources(visit);
    }

    /// For tests: `chooser` says which ready task goes on next, and every wait that could be done
    /// at once gives way to the others after it, so that each await is a place to switch. Null: the
    /// oldest first. Costs the loop one branch a turn.
    void set_scheduler(detail::scheduler* chooser) noexcept {
        scheduler_ = chooser;
        ready_max_ = chooser != nullptr ? 0 : static_cast<std::int32_t>(limits_.hops_max);
    }

    /// Armed timers that move no task: those of watchers. They are in no count, and with nothing
    /// else pending the loop is quiescent all the same.
    std::size_t background_timers = 0;

    /// Goes up by two with each task that is resumed or unwound, and is odd while none is: for
    /// watchers on other threads, which see a task that holds the loop as a number that stays even
    /// and the same. Any thread.
    [[nodiscard]] std::uint64_t beat() const noexcept {
        return beat_.load(std::memory_order_relaxed);
    }

    /// Keeps the last `events` events from now on; 0: none any more.
    void record_flight(std::size_t events);
    /// Null unless record_flight() was called.
    [[nodiscard]] flight_recorder* flight() const noexcept { return flight_.get(); }
    /// The last `most` events as text; empty without a recorder.
    [[nodiscard]] std::string recent_events(std::size_t most = 32) const;

    /// `watch` hears of cancelled tasks from now on; null: nobody does. Returns who did.
    detail::unwind_watch* watch_unwinding(detail::unwind_watch* watch) noexcept {
        detail::unwind_watch* const before = std::exchange(unwind_watch_, watch);
        look_who_watches();
        return before;
    }

    /// Keeps the async stack of whoever opens something, until drop_openings(); calls nest. Leak
    /// guards and bubbles ask for it, a watcher where it is told to. With it a task, a request, a
    /// descriptor and a buffer in use cost an allocation or two each; without, nothing but the
    /// branch at watched().
    void keep_openings();
    void drop_openings() noexcept;
    /// Null unless keep_openings() was called.
    [[nodiscard]] detail::openings* openings() const noexcept { return openings_.get(); }

    /// Whether anybody wants to hear what tasks do, open and ask of the kernel. One load.
    [[nodiscard]] bool watched() const noexcept { return watched_; }
    /// To be called where watched(), when the calling task has opened a thing of this class and
    /// number, or it is closed. A `line` stands in for the one that the task is at.
    void tell_of_opening(resource_kind kind, std::uint64_t number,
                         std::source_location line = {}) noexcept;
    /// Adds to a thing of this number who opened it, as far as that was kept.
    void add_opening(resource& to, std::uint64_t number) const;
    void tell_of_closing(resource_kind kind, std::uint64_t number) noexcept;
    /// The same for a nursery: what was opened inside it has outlived it.
    void tell_of_closing(const detail::nursery_core& which) noexcept;

    /// Who looks into the run; null: nobody.
    run_observer* observer = nullptr;

    /// How many in the program listen for a drain: hooks, and tasks that ask this_task::draining().
    std::uint64_t drain_listeners = 0;
    bool drain_polled = false;

    /// Called when the loop is about to sleep for ever with tasks alive. Returning true makes the
    /// loop look again (the hook cancelled something); false lets it sleep.
    bool (*on_quiescent)(loop&) noexcept = nullptr;

    /// Runs before each sleep and after each turn; for signals. May be null.
    void (*on_turn)(loop&) noexcept = nullptr;

    /// Which shard of run_sharded it is. Null: none.
    [[nodiscard]] detail::shard_state* shard() const noexcept { return shard_; }
    void set_shard(detail::shard_state& which) noexcept { shard_ = &which; }

private:
    friend struct detail::registry_access;
    static constexpr std::uint32_t lonely_enough = 8;

    void look_who_watches() noexcept {
        watched_ = flight_ != nullptr || unwind_watch_ != nullptr || openings_ != nullptr;
    }
    void run_ready() noexcept;
    void run_chosen();
    void run_task(detail::task_record& task) noexcept;
    void run_or_unwind(detail::task_record& task) noexcept;
    void run_watched(detail::task_record& task) noexcept;
    void begin_beat(std::uint64_t& beat) noexcept;
    void end_beat(std::uint64_t beat) noexcept;
    void tell_of_unwinding(const detail::task_record& task) noexcept;
    void tell_of_return(const detail::task_record& task) noexcept;
    void resume(detail::task_record& task) noexcept;
    void finish(detail::task_record& task) noexcept;
    void unwind(detail::task_record& task) noexcept;
    [[nodiscard]] std::coroutine_handle<> destroy_to_boundary(detail::task_record& task) noexcept;
    void run_trampoline(detail::task_record& task, std::coroutine_handle<> next,
                        std::uint32_t hops) noexcept;
    void take_inbox() noexcept;
    void reap() noexcept;
    [[nodiscard]] bool work_left() const noexcept;

    struct service_entry {
        const void* key;
        detail::owned<loop_service> object;
    };

    std::unique_ptr<driver> driver_;
    // Neighbours, for each resumption writes both.
    detail::task_record* ready_head_ = nullptr;
    std::atomic<std::uint64_t> beat_{1};
    detail::task_record** ready_tail_ = &ready_head_;
    instant now_ = 0;
    std::uint64_t posts_expected_ = 0;
    std::uint32_t turns_since_enter_ = 0;
    std::uint32_t lonely_turns_ = 0;  // in a row, in which at most one task ran
    std::uint32_t random_ = 2'463'534'242;
    loop_limits limits_;
    std::int32_t ready_max_;  // waits of one resumption that may be done at once
    detail::scheduler* scheduler_ = nullptr;
    detail::owned<flight_recorder> flight_;
    detail::unwind_watch* unwind_watch_ = nullptr;
    detail::owned<detail::openings> openings_;
    std::uint32_t openings_kept_ = 0;  // who asked for them
    std::uint64_t ended_ = 0;          // with a recorder: the task that ended last
    std::uint64_t resumes_ = 0;        // times two: what beat_ is while a task runs
    bool watched_ = false;             // by a recorder, an unwind_watch, or for openings_
    timer_wheel timers_;
    inbox inbox_;
    std::atomic<std::uint32_t> posters_{0};  // calls of post() that have not returned
    alignas(16) rf::accounting counters_;    // so that its first two are stored together
    rf::ledger ledger_;
    detail::scope_node root_;
    std::vector<service_entry> services_;
    detail::shard_state* shard_ = nullptr;
    detail::live_loop live_;
};

}  // namespace rf
