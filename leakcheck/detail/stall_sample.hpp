// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/flight_recorder.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

namespace rf::leakcheck::detail {

/// Where a loop's thread was at one moment: the running task with its chain of co_await lines, and
/// the stack of the thread. Taken by the thread itself, in a signal handler.
struct stall_sample {
    static constexpr std::size_t frames_max = 64;
    static constexpr std::size_t name_max = 48;
    static constexpr std::size_t events_max = 16;

    /// The thread this is called on. Safe in a signal handler, once prepare() has been called in
    /// the process: copies pointers and, of a name, bytes; allocates nothing, takes no lock.
    /// The innermost `skip` functions of the stack are left out, take() among them.
    [[gnu::noinline]] void take(int skip = 1) noexcept;
    /// Loads what take() needs.
    static void prepare() noexcept;

    /// "task 7 "name" (spawned at x.cpp:3)"; "no task" if none was running.
    [[nodiscard]] std::string task_text() const;
    /// Both stacks, indented, innermost first.
    [[nodiscard]] std::string stacks_text() const;
    /// What had happened on the loop; empty if it records nothing.
    [[nodiscard]] std::string events_text() const;

    std::uint64_t task = 0;  // 0: none was running
    char name[name_max] = {};
    std::source_location spawned;
    std::size_t frames_count = 0;
    std::source_location lines[frames_max];  // of the current or last co_await; line 0: none yet
    const char* functions[frames_max] = {};
    int native_count = 0;  // with those that are left out
    int native_skip = 0;
    void* native[frames_max] = {};
    std::size_t events_count = 0;  // with a flight recorder: the last events
    flight_entry events[events_max];
    std::uint64_t events_noted = 0;
    instant taken = 0;
};

}  // namespace rf::leakcheck::detail
