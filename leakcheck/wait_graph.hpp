// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/driver.hpp>
#include <ringfence/runtime/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck {

class leak_suppressions;

/// What is wrong with tasks that wait. The first three are proofs, the rest suspicions: a proof may
/// fail a test or wake somebody at night, a suspicion is for reading.
enum class verdict : std::uint8_t {
    cycle,         // each waits for the next, and the last for the first
    orphan,        // everybody who could have ended the wait is gone
    quiescent,     // nothing in the loop or outside can ever happen again, and it waits
    likely_cycle,  // a cycle, unless another task has the guard that was moved
    holder_gone,   // what it waits for is held, and the task that took it has ended
    too_old,       // it waits for longer than wait_graph_options::age_max
    unwinds_late,  // cancelled (or shielded from a cancel), and it still waits
    drains_late    // told of a drain, and still in a wait that does not end for it
};

[[nodiscard]] std::string_view to_string(verdict what) noexcept;
[[nodiscard]] constexpr bool is_proof(verdict what) noexcept { return what <= verdict::quiescent; }

struct wait_graph_options {
    /// For whoever knows that nothing outside will ever happen, though requests are pending or
    /// timers armed: then a wait for the kernel is as stuck as any.
    bool nothing_will_happen = false;
    /// Waits that are older are suspect. By default none is.
    std::chrono::nanoseconds age_max = std::chrono::nanoseconds::max();
    /// Waits that go on for that long in a cancelled scope, or behind a shield in one, are suspect.
    std::chrono::nanoseconds unwind_max = std::chrono::seconds(1);
    /// Waits that go on for that long in a draining scope are suspect, but for those of services.
    /// By default none is: a drain lets them end. A watcher uses `unwind_max` when the grace period
    /// has passed.
    std::chrono::nanoseconds drain_max = std::chrono::nanoseconds::max();
    /// Tasks that these allow get no verdict; of a cycle, if they allow each of it. May be null;
    /// outlives the graph, and collects what was used.
    leak_suppressions* allowed = nullptr;
};

/// A verdict and the tasks it is about.
struct wait_finding {
    verdict what = verdict::quiescent;
    /// Numbers of tasks. For a cycle in its order: each waits for the next. For the others, tasks
    /// that wait at the same line for the same kind of thing, oldest first.
    std::vector<std::uint64_t> tasks;
    /// The line of the user's that the first of them waits at.
    std::source_location where;
    /// For how long the youngest of these waits has gone on.
    std::chrono::nanoseconds age{};
    /// The verdict in full: shard, object, owner, async stacks, age, advice. At most eight tasks of
    /// many.
    std::string text;
    int shard = -1;  // whose tasks they are; -1: there are none

    [[nodiscard]] bool proof() const noexcept { return is_proof(what); }
};

/// Who waits for whom on a loop, and what follows from that.
///
///     const rf::leakcheck::wait_graph graph;       // of this loop, now
///     if (graph.proven()) std::fputs(graph.report().c_str(), stderr);
///
/// A task can go on if it is ready, or if anybody who can end its wait can go on: the kernel, the
/// clock, another thread, a task that holds the lock, all children at once for a join. A scope with
/// a deadline ends the waits inside. Where it is not known who could end a wait (an event, a
/// channel), everybody could, as long as anything moves at all. What then can never go on is stuck.
/// Stuck tasks that form a cycle, that wait for somebody who is gone, or for nobody known on a loop
/// where nothing moves, get a verdict; those that wait behind them are no cause, and are listed
/// apart in the report, at most eight.
///
/// A lock is taken to be held by the task that locked it until its guard is moved; from then on
/// anybody could have it, and what would be a cycle is a likely one. A cancel by another task could
/// still end any of these waits: a proof says that nothing else does.
///
/// Of a shard of run_sharded it is the graph of that loop alone. As long as the programs of all
/// shards have not ended, others may send it something: a wait that they could end (for a child on
/// another shard, a shared channel), and one whose waker is not known, is never proven to be stuck.
///
/// Reads only: no task runs. Holds no pointer into the loop once it is made.
/// Threads: the loop's. Cost: linear in tasks and edges, a few hundred nanoseconds a task;
///   allocates. Text is made for findings alone.
class wait_graph {
public:
    explicit wait_graph(const wait_graph_options& options = {});
    explicit wait_graph(const loop& of, const wait_graph_options& options = {});

    /// Proofs first.
    [[nodiscard]] std::span<const wait_finding> findings() const noexcept {
        return {findings_.data(), findings_.size()};
    }
    /// Whether there is a proof among them.
    [[nodiscard]] bool proven() const noexcept {
        return !findings_.empty() && findings_.front().proof();
    }
    [[nodiscard]] std::size_t tasks() const noexcept { return tasks_; }
    [[nodiscard]] std::size_t waiting() const noexcept { return waiting_; }
    /// Tasks that can never go on, those without a verdict of their own, or allowed, included.
    [[nodiscard]] std::size_t stuck() const noexcept { return stuck_; }

    /// All findings as text, each with its number of tasks, and who waits behind them; empty if
    /// there is none.
    [[nodiscard]] std::string report() const;

private:
    std::vector<wait_finding> findings_;
    std::size_t tasks_ = 0;
    std::size_t waiting_ = 0;
    std::size_t stuck_ = 0;
    std::string behind_;  // those who wait behind the tasks of findings
};

}  // namespace rf::leakcheck
