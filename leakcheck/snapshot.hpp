// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/task.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace rf::detail {
struct loop_image;
}  // namespace rf::detail

namespace rf::leakcheck {

struct snapshot_options {
    /// For how long the tasks are copied before others have their turn.
    std::chrono::nanoseconds step = std::chrono::microseconds(250);
};

enum class snapshot_format : std::uint8_t {
    text,    // the scope tree, indented
    json,    // the same for programs; its fields: docs/how-to/snapshots-and-profiles.md
    folded,  // "a;b;c 12": a line for each stack with its number of tasks, for flame graphs
};

/// The live tasks of a loop as they were: in which scope, in what state, waiting for what, for how
/// long, for whom, until when, cancelled or not, with names and async stacks.
///
/// Threads: any; it holds no pointer into the loop, and outlives it. Rendering takes a few hundred
/// nanoseconds a task: where there are many, move it to another thread (rf::offload).
class task_snapshot {
public:
    using sink = std::function<void(std::string_view)>;

    /// Why there is none: one sentence. Empty if there is one.
    [[nodiscard]] std::string_view refusal() const noexcept {
        return refusal_ != nullptr ? std::string_view(refusal_) : std::string_view();
    }
    [[nodiscard]] std::size_t tasks() const noexcept;
    /// From the first task copied to the last.
    [[nodiscard]] std::chrono::nanoseconds took() const noexcept { return took_; }
    /// The longest time that nothing else ran.
    [[nodiscard]] std::chrono::nanoseconds longest_pause() const noexcept { return pause_; }

    /// Gives the text to `to` in pieces of some 64 KiB, so that it is never in memory as a whole.
    void write(snapshot_format format, const sink& to) const;
    /// Writes it to a descriptor, blocking. Throws io_error.
    void write(snapshot_format format, int fd) const;
    [[nodiscard]] std::string render(snapshot_format format) const;
    [[nodiscard]] std::string text() const { return render(snapshot_format::text); }
    [[nodiscard]] std::string json() const { return render(snapshot_format::json); }
    [[nodiscard]] std::string folded() const { return render(snapshot_format::folded); }

    // For snapshot(), and for others who read images.
    explicit task_snapshot(const char* refusal) noexcept : refusal_(refusal) {}
    task_snapshot(std::unique_ptr<const rf::detail::loop_image> image,
                  std::chrono::nanoseconds took, std::chrono::nanoseconds pause) noexcept;
    /// Null if it was refused.
    [[nodiscard]] const rf::detail::loop_image* image() const noexcept { return image_.get(); }

private:
    std::shared_ptr<const rf::detail::loop_image> image_;
    const char* refusal_ = nullptr;
    std::chrono::nanoseconds took_{};
    std::chrono::nanoseconds pause_{};
};

/// Takes a snapshot of the calling task's loop while the others go on.
///
///     auto seen = co_await rf::leakcheck::snapshot();
///     co_await rf::offload([&] { seen.write(rf::leakcheck::snapshot_format::text, 2); });
///
/// Tasks are copied in steps, between which the loop turns. Every task that lived when it began is
/// in it once, as it was when its turn came, unless it ended before; tasks that were started since
/// are not. So it is exact for each task, and within a few ten milliseconds for all.
///
/// Two at a time take turns. Cancel point: a cancelled one leaves no trace.
/// Steps are measured in real time: in a bubble, where every turn counts, use snapshot_now().
/// Threads: the loop's. Cost: some 200 ns a task that waits, and about 200 bytes; allocates.
[[nodiscard]] task<task_snapshot> snapshot(snapshot_options options = {});

/// The same at once: nothing else runs meanwhile. For where no task can wait: a run_observer, a
/// debugger, a test.
///
/// Called where there is no loop, or in a signal handler (which may have interrupted a change to
/// what it would read), it answers with a refusal and touches nothing.
[[nodiscard]] task_snapshot snapshot_now() noexcept;

}  // namespace rf::leakcheck
