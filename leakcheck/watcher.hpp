// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/cancel_monitor.hpp>
#include <ringfence/leakcheck/stall_detector.hpp>
#include <ringfence/leakcheck/verdict_watch.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/run_observer.hpp>

#include <cstddef>
#include <string>

namespace rf::leakcheck {

struct watcher_options {
    std::size_t flight_events = 256;   // kept for reports; 0: none
    stall_options stalls{};            // a threshold of zero: no detector
    verdict_watch_options verdicts{};  // an interval of zero: only when something is wrong anyway
    cancel_monitor_options cancels{};  // a sites_max of zero: none
    /// Keep the async stack of whoever opens something, for reports and profile(fd). An allocation
    /// or two for each task, request, descriptor and buffer: for services that can afford it.
    bool opening_stacks = false;
};

/// All that watches a service in production, with one line in main:
///
///     rf::leakcheck::watcher watch;
///     return rf::run(service, {.stop_on = {SIGTERM}, .observer = &watch});
///
/// It records the last events of the loop, looks for tasks that hold it and for tasks that can
/// never go on, and measures late cancels; what it finds goes to standard error. When a drain runs
/// out of time, or a cancelled program does not end, the report of the run begins with verdicts
/// about those who hold it up; a deadlock's with its proof.
///
/// On several shards each has one of its own, see watch_shards().
///
/// Lifetime: outlives the run; then it may watch another. Threads: the run's.
/// Cost: that of its parts, see each; `./dev bench leakcheck` measures them together.
class watcher final : public run_observer {
public:
    explicit watcher(watcher_options options = {});
    watcher(const watcher&) = delete;
    watcher& operator=(const watcher&) = delete;
    ~watcher() override;

    /// The parts, while a run goes on; null outside, and if switched off.
    [[nodiscard]] stall_detector* stalls() noexcept { return stalls_.get(); }
    [[nodiscard]] verdict_watch* verdicts() noexcept { return verdicts_.get(); }
    [[nodiscard]] cancel_monitor* cancels() noexcept { return cancels_.get(); }

    void begins(loop& owner) override;
    std::string deadlocked(loop& owner) override;
    std::string held_up(loop& owner) override;
    void ends(loop& owner) override;

private:
    watcher_options options_;
    rf::detail::owned<stall_detector> stalls_;
    rf::detail::owned<verdict_watch> verdicts_;
    rf::detail::owned<cancel_monitor> cancels_;
};

/// A watcher for each shard of a run:
///
///     return rf::run_sharded(0, service, {.observer_of = rf::leakcheck::watch_shards()});
///
/// What they find is printed as under rf::run, and says which shard: "ringfence: shard 1: suspect
/// stall: ...". When a drain runs out of time, or a cancelled program does not end, the shards that
/// run children of the one that waits report too, each with verdicts of its own.
///
/// A wait that another shard could end is never proven to be stuck. What waits for such a wait is
/// not either, so a circle that leads through two shards is none that is found; a circle of locks
/// on one shard is.
///
/// Threads: each watcher, its parts and their handlers belong to the shard's thread: what a handler
///   shares with those of other shards has to bear that. stall_options::on_stall is copied for each
///   and called on the thread of each detector.
/// Errors: options that a part refuses keep the shards from starting; the report has the sentence.
/// Cost: on each shard that of a watcher, the thread of its stall detector among it.
[[nodiscard]] observer_factory watch_shards(watcher_options options = {});

}  // namespace rf::leakcheck
