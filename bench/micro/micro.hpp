// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/task.hpp>

#include <cstdint>
#include <ctime>
#include <span>

namespace micro {

/// Calls of operator new on this thread so far; frames come from the pool and do not count until it
/// grows.
extern thread_local constinit std::uint64_t allocations;

/// Times the loop of this thread has entered the kernel so far; 0 where there is none.
[[nodiscard]] std::uint64_t kernel_entries() noexcept;

[[nodiscard]] inline std::int64_t thread_processor_ns() noexcept {
    timespec now{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// The processor time of this thread that a stretch of a task takes, from begin() to end(). Not the
/// time on the wall, which on a shared machine is mostly that of others.
class stopwatch {
public:
    void begin() noexcept {
        allocations_ = allocations;
        entries_ = kernel_entries();
        start_ = thread_processor_ns();
    }
    void end(long operations) noexcept {
        ns += static_cast<double>(thread_processor_ns() - start_);
        made += static_cast<double>(allocations - allocations_);
        entered += static_cast<double>(kernel_entries() - entries_);
        count = operations;
    }

    // Totals; another thread's share may be added.
    double ns = 0;
    double made = 0;     // allocations
    double entered = 0;  // times into the kernel, by the loop; doorbells of others do not count
    long count = 0;      // operations; 0: end() was never called

private:
    std::int64_t start_ = 0;
    std::uint64_t allocations_ = 0;
    std::uint64_t entries_ = 0;
};

/// One line of the table. The body runs as the program of a loop. A name that ends in `_ms` shows
/// milliseconds for all operations together, others nanoseconds for one.
struct bench {
    const char* name;
    long operations;
    rf::task<> (*body)(stopwatch*, long);
};

/// The same work without ringfence; runs turn by turn with the bench whose name follows "floor_".
struct floor_bench {
    const char* name;
    void (*body)(stopwatch*, long);
};

std::span<const bench> task_benches();
std::span<const bench> sync_benches();
std::span<const bench> timer_benches();
std::span<const bench> shared_benches();
std::span<const bench> post_benches();

std::span<const floor_bench> task_floors();
std::span<const floor_bench> sync_floors();
std::span<const floor_bench> timer_floors();
std::span<const floor_bench> shared_floors();
std::span<const floor_bench> post_floors();

/// Runs a program on a loop of its own, on io_uring; ends the process if it fails or leaks.
void run_on_loop(rf::task<> (*body)(stopwatch*, long), stopwatch* watch, long operations);

/// Memory is measured by bytes that became resident in a process made for it: in one that has done
/// other work, freed memory would be used again and seem to cost nothing.
struct memory_bench {
    const char* name;
    long operations;
    double (*bytes_of_one)(long count);  // runs this program anew, as a process of its own
};

std::span<const memory_bench> memory_benches();

/// What a process made by a memory_bench does instead of main. Returns its exit status.
int fresh_process(const char* role, long count);

}  // namespace micro
