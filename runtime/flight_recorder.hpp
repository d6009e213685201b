// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/driver.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <vector>

namespace rf {

/// What a task of a loop did, or what was done to it.
enum class flight_event : std::uint8_t {
    starts,   // it runs for the first time; the line is the one that spawned it
    goes_on,  // it runs again, from the co_await of the line
    waits,    // it has given control back, at the co_await of the line
    unwinds,  // its frames are being destroyed, from the one that waits at the line out
    ends,     // it is gone
    cancels,  // it cancelled a scope, on the line; task 0 if no task was running
    // Of requests to the kernel; task 0 where they were asked for by no task, but by the loop:
    submits,      // it asked for one, at the line
    calls_back,   // it asked the kernel to end one, at the line
    completes,    // the kernel has answered; of no task and no line
    completes_on  // the same, and more answers will come
};

[[nodiscard]] const char* to_string(flight_event what) noexcept;

/// One thing that happened.
struct flight_entry {
    std::source_location where;
    instant when = 0;  // the clock of the loop's turn
    std::uint64_t task = 0;
    flight_event what = flight_event::starts;
    // Of requests alone:
    std::uint8_t opcode = 0;          // IORING_OP_*, of one that is submitted
    std::int32_t number = 0;          // its descriptor; of an answer, the result
    const void* operation = nullptr;  // tells requests that are under way from each other
};

/// The last things that happened on a loop, for the question what came before: what its tasks did,
/// what they asked of the kernel and what it answered. Kept in a ring of fixed size, the oldest
/// forgotten first. Reports of deadlocks, of stalls and of whoever holds up
/// a shutdown show the last of them.
///
/// Off unless run_options::flight_events or a leakcheck::watcher asks for it. The lines are those
/// of the innermost co_await, which may be one of the library's.
///
/// Threads: one loop; only describe() of a loop that stands still may be called from elsewhere.
/// Cost: 40 bytes an event, allocated once. With it, two events a resumption and two a request, of
///   about 2 ns each; without, a branch (`./dev bench leakcheck`).
class flight_recorder {
public:
    /// Keeps the last `events`, rounded up to a power of two; at least 16.
    explicit flight_recorder(std::size_t events);

    void note(flight_event what, std::uint64_t task, const std::source_location& where,
              instant now) noexcept {
        if (unread_ != nullptr) [[unlikely]]
            settle();
        entry& one = ring_[noted_++ & mask_];
        one.where = where;
        one.when = now;
        one.task_and_what = task << 8 | static_cast<std::uint64_t>(what);
    }

    /// `operation` goes into `sqe`, which is filled in by whoever submits it: what it says is read
    /// with the next event, or by settle().
    void note_submission(const void* operation, const io_uring_sqe& sqe, std::uint64_t task,
                         const std::source_location& where, instant now) noexcept {
        note(flight_event::submits, task, where, now);
        entry& one = ring_[(noted_ - 1) & mask_];
        one.operation = operation;
        one.opcode = unread_opcode;
        unread_ = &sqe;
    }
    /// Of an operation that has been submitted; `result` of an answer.
    void note_operation(flight_event what, const void* operation, std::int32_t result,
                        std::uint64_t task, const std::source_location& where,
                        instant now) noexcept {
        note(what, task, where, now);
        entry& one = ring_[(noted_ - 1) & mask_];
        one.operation = operation;
        one.number = result;
    }
    /// Before entries that were submitted leave for the kernel.
    void settle() noexcept {
        if (unread_ == nullptr) return;
        entry& one = ring_[(noted_ - 1) & mask_];
        one.opcode = unread_->opcode;
        one.number = unread_->fd;
        unread_ = nullptr;
    }

    /// Copies the last events to `to`, as many as fit, oldest first. Returns how many. Safe in a
    /// signal handler on the loop's thread: the newest may then be half of the one before it.
    std::size_t copy_last(std::span<flight_entry> to) const noexcept;
    /// The last `most` events, oldest first.
    [[nodiscard]] std::vector<flight_entry> last(std::size_t most) const;

    /// The same as text, a line each below a headline; how long before `now` each was. Empty if
    /// nothing was noted.
    [[nodiscard]] std::string describe(std::size_t most, instant now) const;

    [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }
    /// Ever, those forgotten included.
    [[nodiscard]] std::uint64_t noted() const noexcept { return noted_; }

private:
    struct entry {
        std::source_location where;
        instant when = 0;
        std::uint64_t task_and_what = 0;
        const void* operation = nullptr;  // this and the rest only of events that have them
        std::int32_t number = 0;
        std::uint8_t opcode = 0;
    };
    static constexpr std::uint8_t unread_opcode = 0xff;

    const io_uring_sqe* unread_ = nullptr;  // of the newest entry, if that is a submission
    std::uint64_t noted_ = 0;
    std::size_t mask_;
    detail::owned<entry[]> ring_;
};

/// Events as text, a line each below a headline.
[[nodiscard]] std::string describe_events(std::span<const flight_entry> events, std::uint64_t noted,
                                          instant now);

}  // namespace rf
