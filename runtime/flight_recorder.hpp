// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/driver.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
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
};

[[nodiscard]] const char* to_string(flight_event what) noexcept;

/// One thing that happened.
struct flight_entry {
    std::source_location where;
    instant when = 0;  // the clock of the loop's turn
    std::uint64_t task = 0;
    flight_event what = flight_event::starts;
};

/// The last things that happened on a loop, for the question what came before: kept in a ring of
/// fixed size, the oldest forgotten first. Reports of deadlocks, of stalls and of whoever holds up
/// a shutdown show the last of them.
///
/// Off unless run_options::flight_events or a leakcheck::watcher asks for it. The lines are those
/// of the innermost co_await, which may be one of the library's.
///
/// Threads: one loop; only describe() of a loop that stands still may be called from elsewhere.
/// Cost: 24 bytes an event, allocated once. With it, two events a resumption, of about 2 ns each;
///   without, a branch (`./dev bench leakcheck`).
class flight_recorder {
public:
    /// Keeps the last `events`, rounded up to a power of two; at least 16.
    explicit flight_recorder(std::size_t events);

    void note(flight_event what, std::uint64_t task, const std::source_location& where,
              instant now) noexcept {
        entry& one = ring_[noted_++ & mask_];
        one.where = where;
        one.when = now;
        one.task_and_what = task << 8 | static_cast<std::uint64_t>(what);
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
    };

    std::uint64_t noted_ = 0;
    std::size_t mask_;
    std::unique_ptr<entry[]> ring_;
};

/// Events as text, a line each below a headline.
[[nodiscard]] std::string describe_events(std::span<const flight_entry> events, std::uint64_t noted,
                                          instant now);

}  // namespace rf
