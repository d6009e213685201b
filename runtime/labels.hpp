// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/label_binding.hpp>
#include <ringfence/runtime/task_local.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace rf {

/// Runs `work` (a task, an operation, or a callable that returns either) under a label, which tells
/// what it is done for: a tenant, a route, a job.
///
///     co_await rf::with_label("tenant", tenant, [&] { return serve(request); });
///
/// Dumps, snapshots, profiles and verdicts show the labels of a task, leak reports those of the
/// task that opened what was left. In pprof they are labels like any other: `-tagfocus=tenant=7`.
/// Labels nest; a key that is bound anew further in hides the outer one.
///
/// Children have the labels that were in force where their nursery was opened, as with a
/// task_local.
///
/// Cancellation: as cancellable as its work. The labels before are in force again on every exit.
/// Lifetime: key and value are copied. Threads: one task; children on other shards have none.
/// Cost: one block from the frame pool, and the two strings; where there are no labels, nothing.
template <detail::work W>
[[nodiscard]] task<detail::work_result<W>> with_label(std::string_view key, std::string_view value,
                                                      W work) {
    return detail::labels_in_force.with({std::string(key), std::string(value)}, std::move(work));
}

namespace this_task {

/// The label of the calling task with that key; empty if it has none. Valid as long as the label is
/// in force.
[[nodiscard]] std::string_view label(std::string_view key) noexcept;

}  // namespace this_task

}  // namespace rf
