// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/leak_suppressions.hpp>
#include <ringfence/runtime/detail/task_record.hpp>

#include <cstdint>
#include <source_location>
#include <string>

namespace rf {
class nursery;
}

namespace rf::leakcheck {

/// Says, at the end of a block, what the block has left behind: tasks, descriptors, ring buffers,
/// timers, offload jobs.
///
///     rf::leakcheck::leak_guard nothing_left;
///     co_await handle(request);
///     CHECK(nothing_left.findings() == "");
///
/// Exact, whatever else runs on the loop meanwhile, without sleeping or trying again: while the
/// guard lives, all that its task starts or opens carries the guard's number, and so does all that
/// those tasks start or open, to any depth and in whichever nursery. At the end only what carries
/// the number counts. Guards nest: what is left inside an inner one is left inside the outer too.
///
/// Unchecked findings are printed when the guard is destroyed; abort_on_leak() makes that fatal.
/// Operations are not compared, because the kernel lets go of a closed socket a moment later; the
/// end of the run checks them. A timer counts with the task or scope that it is for; the clock of
/// an object that tasks share, with none. What has outlived the nursery it was opened in says so.
///
/// Threads: one loop; made and destroyed in one task. Cost: while it lives, the async stack of
///   whoever opens something is kept (loop::keep_openings()); at its end linear in the tasks and
///   descriptors of the loop.
class leak_guard {
public:
    explicit leak_guard(std::source_location where = std::source_location::current());
    /// What `allowed` allows is no finding. It outlives the guard and collects what was used.
    explicit leak_guard(leak_suppressions& allowed,
                        std::source_location where = std::source_location::current());
    leak_guard(const leak_guard&) = delete;
    leak_guard& operator=(const leak_guard&) = delete;
    ~leak_guard();

    /// What the block has left so far, a line or more each; empty if nothing. Marks the guard as
    /// checked.
    [[nodiscard]] std::string findings();

    /// Unchecked findings at the end of the block abort the process.
    void abort_on_leak() noexcept { abort_ = true; }

private:
    [[nodiscard]] std::string compare(leak_suppressions* allowed) const;

    rf::detail::task_record* task_;
    std::uint32_t number_;
    std::uint32_t outer_;
    leak_suppressions* allowed_ = nullptr;
    std::source_location where_;
    bool checked_ = false;
    bool abort_ = false;
};

/// The tasks, and what they have open, that are inside of `scope` now, a line or more each; empty
/// if it is idle. Not the calling task itself. `allowed` may be null.
///
/// What tasks inside have opened and left open when they ended counts as well, whoever has it now,
/// where openings are kept: under a leak_guard, in a bubble, with watcher_options::opening_stacks.
/// A socket that was handed out of the nursery on purpose needs a suppression.
[[nodiscard]] std::string verify_none(const nursery& scope, leak_suppressions* allowed = nullptr);
/// The same for everything on the calling thread's loop.
[[nodiscard]] std::string verify_none(leak_suppressions* allowed = nullptr);

/// How many guards have been destroyed in this process with findings that nobody had looked at.
[[nodiscard]] std::uint64_t unchecked_leaks() noexcept;

}  // namespace rf::leakcheck
