// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/wait_text.hpp>

#include <ringfence/leakcheck/detail/wait_edges.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace rf::leakcheck::detail {
namespace {

using rf::detail::task_record;

std::string sentence_of(verdict what, std::size_t count, std::source_location where) {
    const std::string tasks = count == 1 ? "a task waits" : fmt::format("{} tasks wait", count);
    const std::string at = rf::detail::to_string(where);
    switch (what) {
    case verdict::cycle:
        return count == 1 ? "a task waits for itself"
                          : fmt::format("{} tasks wait for each other in a circle", count);
    case verdict::likely_cycle:
        return fmt::format("{}, unless a guard that was moved is with another task",
                           count == 1 ? "a task waits for itself"
                                      : tasks + " for each other in a circle");
    case verdict::orphan: return fmt::format("{} at {} for somebody who is gone", tasks, at);
    case verdict::quiescent:
        return fmt::format("{} at {}, and nothing is left that could wake {}", tasks, at,
                           count == 1 ? "it" : "them");
    case verdict::holder_gone:
        return fmt::format("{} at {} for what a task took that has ended", tasks, at);
    case verdict::too_old: return fmt::format("{} at {} for very long", tasks, at);
    case verdict::unwinds_late: return fmt::format("{} at {} although cancelled", tasks, at);
    case verdict::drains_late: return fmt::format("{} at {} although draining", tasks, at);
    }
    return tasks;
}

std::string_view advice_for_quiescent(std::string_view kind) {
    if (kind == "channel")
        return "close the channel when the last task that uses its other side has ended; "
               "open_channel() gives ends that do";
    if (kind == "event" || kind == "condition")
        return "set or notify it on every way out of the task that should, also where that fails: "
               "rf::scope_exit";
    if (kind == "count")
        return "count down on every way out of the tasks that should, also where they fail: "
               "rf::scope_exit";
    if (kind == "permit")
        return "somebody keeps permits it no longer needs: release them before waiting for others";
    if (kind == "lock") return "its holders wait themselves: release the lock before waiting";
    if (kind == "sleep" || kind == "drain")
        return "it waits to be cancelled: make it a service (nursery::spawn_service), or cancel it";
    if (kind == "io")
        return "the other end is in this program and waits too, or was never served: close it, or "
               "put a deadline around the wait (rf::with_timeout)";
    return "give the wait a deadline (rf::with_timeout), or see to it that whoever should wake it "
           "does so on every way out";
}

std::string_view advice_for_late(const task_record& task, std::string_view kind) {
    if (kind == "offload")
        return "a thread cannot be interrupted: let the function take a std::stop_token and look "
               "at "
               "it";
    if (kind == "foreign")
        return "a foreign awaitable cannot be cancelled: bridge it with rf::from_callback, or "
               "bound "
               "it on its own side";
    if (!task.scope->cancelled())
        return "a shield keeps the cancel out: shorten its limit, or do less inside";
    return "its end depends on the kernel or on somebody who is slow to answer the cancel";
}

std::string_view advice_for(verdict what, const std::vector<const task_record*>& tasks,
                            std::string_view kind) {
    switch (what) {
    case verdict::likely_cycle:
    case verdict::cycle: {
        if (tasks.size() == 1)
            return "it asks again for what it holds: locks are not recursive; release it first, or "
                   "split the function into one that locks and one that expects the lock";
        const bool joins = std::ranges::any_of(tasks, [](const task_record* task) {
            wait_description wait;
            task->wait->describe(wait);
            return std::string_view(wait.kind) == "join" ||
                   std::string_view(wait.kind) == "nursery";
        });
        if (joins)
            return "a child waits for what its parent holds, and the parent for the child: let go "
                   "before the nursery ends";
        return "take these in the same order everywhere, or hold one at a time";
    }
    case verdict::orphan:
        if (kind == "lock" || kind == "once")
            return "a guard outlived the task that took it and is kept somewhere: keep guards in "
                   "the frame of the task that locks";
        return "whoever was to wake it ended without doing so: wake on every way out, also where "
               "that fails (rf::scope_exit)";
    case verdict::quiescent: return advice_for_quiescent(kind);
    case verdict::holder_gone:
        return "a guard outlived the task that took it: keep guards in the frame of the task that "
               "locks";
    case verdict::too_old:
        return "if it may take that long, say so with a suppression; if not, put a deadline around "
               "it (rf::with_timeout)";
    case verdict::unwinds_late: return advice_for_late(*tasks.front(), kind);
    case verdict::drains_late:
        if (kind == "remote")
            return "what it waits for runs on another shard: the report of that one says where";
        return "a drain does not end this wait: put rf::until_drained around it, or look at "
               "rf::this_task::draining() before it";
    }
    return {};
}

}  // namespace

void wait_text::begin(verdict what, std::size_t count, std::source_location where) {
    text_ = fmt::format("{}{} {}: {}\n", rf::detail::shard_text(loop_),
                        is_proof(what) ? "PROVEN" : "suspect", to_string(what),
                        sentence_of(what, count, where));
}

void wait_text::begin_behind(std::size_t count) {
    text_ = fmt::format("{}{} more task{} behind these and can never go on\n",
                        rf::detail::shard_text(loop_), count, count == 1 ? " waits" : "s wait");
}

void wait_text::task(const task_record& subject, bool with_owner) {
    auto out = std::back_inserter(text_);
    wait_description wait;
    subject.wait->describe(wait);
    fmt::format_to(out, "  {} (spawned at {}) waits {}: {} for {}", rf::detail::task_text(subject),
                   rf::detail::to_string(subject.spawned()),
                   rf::detail::age_text(now_ - subject.wait->since()), wait.kind, wait.what);
    if (wait.object != nullptr) fmt::format_to(out, " [{}]", wait.object);
    if (!wait.owner.empty()) fmt::format_to(out, ", to be woken by {}", wait.owner);
    text_ += '\n';
    rf::detail::append_async_stack(text_, subject, 6);
    if (!with_owner || wait.owner_task == 0) return;
    const task_record* owner = find_task(loop_, wait.owner_task);
    if (owner == nullptr) {
        fmt::format_to(out, "    task {} has ended\n", wait.owner_task);
        return;
    }
    fmt::format_to(out, "    {} (spawned at {}):\n", rf::detail::task_text(*owner),
                   rf::detail::to_string(owner->spawned()));
    rf::detail::append_async_stack(text_, *owner, 6);
}

void wait_text::more(std::size_t count) { text_ += fmt::format("  ... and {} more\n", count); }

void wait_text::advise(verdict what, const std::vector<const task_record*>& tasks) {
    wait_description wait;
    tasks.front()->wait->describe(wait);
    text_ += fmt::format("  advice: {}\n", advice_for(what, tasks, wait.kind));
}

}  // namespace rf::leakcheck::detail
