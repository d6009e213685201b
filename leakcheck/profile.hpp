// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/leakcheck/snapshot.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/accounting.hpp>
#include <ringfence/runtime/resource.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rf::leakcheck {

/// What a profile counts, each with the async stack that it belongs to.
enum class profile_kind : std::uint8_t {
    task,      // all tasks
    taskleak,  // tasks that are proven to wait for ever: see wait_graph
    fd,        // open descriptors, by the line that opened them
    inflight,  // requests that the kernel holds
    timer,     // sleeps and deadlines that are armed
    block,     // tasks that wait for other tasks: locks, channels, joins; and for how long by now
};

[[nodiscard]] std::string_view to_string(profile_kind kind) noexcept;
[[nodiscard]] std::optional<profile_kind> profile_kind_named(std::string_view name) noexcept;

struct profile_options {
    snapshot_options copying{};
    wait_graph_options proof{};  // for taskleak; its suspicions are not in the profile
};

/// A profile in the format of pprof: a protocol buffer, compressed by gzip, which
/// `go tool pprof -top`, `-traces` and `-http`, Grafana and others open. Functions, files and lines
/// are inside, so the program is not needed to read it.
///
/// Samples have the labels state, scope, wait, object, name, owner and verdict where these are
/// known, those of with_label(), and the numbers task and age. A descriptor has the line that
/// opened it, its age, the name and the scope of the task that opened it while that lives, and if
/// it was kept (loop::keep_openings()) the whole async stack, the scope it was opened in, and as
/// `outlives` the innermost nursery that has closed since. So have the timers of objects, and the
/// requests that no task waits for.
///
/// Threads: any; it holds no pointer into the loop.
class task_profile {
public:
    [[nodiscard]] profile_kind kind() const noexcept { return kind_; }
    /// Why there is none: one sentence. Empty if there is one.
    [[nodiscard]] std::string_view refusal() const noexcept { return seen_.refusal(); }

    /// The bytes of the file. A microsecond or so a task: move it to another thread (rf::offload)
    /// where there are many. Throws std::runtime_error if it was refused, and where ringfence was
    /// built without profiles.
    [[nodiscard]] std::string encode() const;

    /// Encodes it and writes the file, blocking. Throws io_error too: a full disk leaves no half
    /// of a profile behind.
    void write(const std::string& path) const;

    /// Whether ringfence was built with what encode() needs.
    [[nodiscard]] static bool available() noexcept;

    // For profile(), and for the encoder.
    task_profile(profile_kind kind, const loop& of, const wait_graph_options& proof);
    explicit task_profile(profile_kind kind, task_snapshot refused);
    void add(task_snapshot seen) { seen_ = std::move(seen); }
    [[nodiscard]] const task_snapshot& seen() const noexcept { return seen_; }
    [[nodiscard]] const std::vector<resource>& opened() const noexcept { return opened_; }
    [[nodiscard]] const std::map<std::uint64_t, verdict>& proven() const noexcept {
        return proven_;
    }

private:
    profile_kind kind_;
    task_snapshot seen_;
    std::vector<resource> opened_;  // fd: all; inflight, timer of objects: where openings are kept
    std::map<std::uint64_t, verdict> proven_;  // for taskleak: by the task's number
};

/// Takes a profile of the calling task's loop while the others go on, as snapshot() does.
///
///     auto stuck = co_await rf::leakcheck::profile(rf::leakcheck::profile_kind::taskleak);
///     co_await rf::offload([&] { stuck.write("/tmp/taskleak.pb.gz"); });
///
/// For taskleak the wait-for graph is made at once, for fd, inflight and timer the books are read
/// at once; the rest is copied in steps. As the calling task runs, not everything stands still, so
/// taskleak finds cycles and orphans here; what waits for ever because nothing moves at all is
/// found by profile_now() in run_observer::deadlocked. Cancel point. Threads: the loop's.
[[nodiscard]] task<task_profile> profile(profile_kind kind, profile_options options = {});

/// The same at once, and refused where snapshot_now() is.
[[nodiscard]] task_profile profile_now(profile_kind kind, const profile_options& options = {});

}  // namespace rf::leakcheck
