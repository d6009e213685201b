// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/accounting.hpp>
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/detail/body.hpp>
#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/run_observer.hpp>
#include <ringfence/runtime/signals.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/runtime/uring_options.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

namespace rf {

/// What to do when a run ends and something is still open: law 6 broken.
enum class on_leak : std::uint8_t {
    report,  // print it; the exit status becomes exit_status_leak if it was 0
    abort,   // print it and abort: for tests
};

/// What rf::run does with the exception that ended its program.
enum class on_error : std::uint8_t {
    report,  // print it; the exit status is exit_status_failure
#if RF_EXCEPTIONS
    rethrow,  // throw it again, as it is, when everything the run has started is gone
#endif
};

inline constexpr int exit_status_failure = 1;  // the program's task failed, or could not start
inline constexpr int exit_status_leak = 70;    // it ended well but left something open

struct run_options {
    /// The first of these signals drains, the second cancels, the third aborts with a dump.
    signal_list stop_on{};
    /// How long a drain may take before it becomes a cancel.
    std::chrono::milliseconds drain_grace{10'000};
    /// SIGQUIT prints the task tree to standard error and the program goes on.
    bool dump_on_quit = true;
    /// A program that was cancelled and has not ended after that long says who holds it up, and
    /// again each time the wait has doubled. Zero: never.
    std::chrono::milliseconds hold_up_after{5'000};
    /// How many of the last events each report of this run can show; see flight_recorder.
    std::size_t flight_events = 0;
    on_leak leaks = on_leak::report;
    /// Of rf::run and rf::run_sharded; a report carries the exception in any case. There is no
    /// `rethrow` in builds without exceptions.
    on_error errors = on_error::report;
    uring_options ring{};
    loop_limits limits{};
    /// Outlives the run. Null: nobody looks.
    run_observer* observer = nullptr;
};

/// How a run ended.
struct run_report {
    int status = 0;                   // what the process should exit with
    std::exception_ptr error;         // the first failure of the program's task or of a daemon
    std::string deadlock;             // proof that it could never go on, with the task tree
    std::string refusal;              // why it could not start: one sentence
    bool cancelled = false;           // it was cancelled before it finished
    int stopped_by = 0;               // the signal that stopped it, or 0
    accounting final;                 // what was left: all zero unless something leaked
    std::string leaks;                // what was left, in words; empty if nothing
    std::vector<std::string> faults;  // descriptors that somebody else closed, one line each
};

/// Runs a program: `fn()`, a task<> or task<int>, and everything it starts, on this thread.
///
/// Returns when the program's task and all else in the root nursery are gone and the kernel holds
/// nothing: with the task's int, 0, or a status of the table below. A failure is printed, or with
/// run_options::errors rethrown: the first in time, of the program's task and daemons; later ones
/// are printed. What else went wrong (a leak, a deadlock) is printed before it is thrown.
///
///   0                     finished, or drained after the first stop signal
///   exit_status_failure   an exception left the program's task or a daemon; or io_uring is refused
///   exit_status_leak      something was left open (printed)
///   128 + signal          cancelled by the second stop signal
///
/// A drain tells every scope (this_task::draining()); io::serve, and whoever else listens, stops
/// taking new work. If nobody in the program listens for drains, the first signal cancels at once,
/// and the status is 0.
///
/// Threads: one run per thread at a time; a run inside a run is refused.
template <class F>
[[nodiscard]] int run(F fn, const run_options& options = {},
                      std::source_location where = std::source_location::current());

/// The same, with everything there is to know in place of a printed line.
template <class F>
[[nodiscard]] run_report run_and_report(
    F fn, const run_options& options = {}, std::unique_ptr<driver> kernel = nullptr,
    std::source_location where = std::source_location::current());

/// Prints what went wrong in a run to standard error, if anything did. Returns its exit status.
int print_report(const run_report& report) noexcept;

/// The nursery that the current run owns. The program's task is a child of it; others by spawn()
/// keep the run going until they have ended, too. A daemon is a service of it, by spawn_service():
/// cancelled when all children have ended.
[[nodiscard]] nursery& root_nursery() noexcept;

// Implementation

namespace detail {

using program = std::function<task<int>()>;

/// Runs `start` and fills in the report. `where` is the line that called rf::run.
void run_program(program start, const run_options& options, std::unique_ptr<driver> kernel,
                 run_report& report, std::source_location where);

/// The signals that a run listens for.
[[nodiscard]] signal_list signals_of(const run_options& options);
/// The program's task in its nursery: its status, and whether it was cancelled, go into the report.
[[nodiscard]] task<> run_main(const program* start, run_report* report);
/// Prints what went wrong, or throws it where `errors` says so. Returns the exit status.
[[nodiscard]] int end_run(run_report report, on_error errors);
/// As rf::print_report. `where` the program failed: " on shard 2", or nothing.
int print_report(const run_report& report, const std::string& where) noexcept;
/// Fills in what a run left behind, once its root nursery is closed, and the exit status.
void close_books(const loop& owner, const run_options& options, run_report& report);

template <class F>
task<int> call_program(F& fn) {
    using result = typename std::invoke_result_t<F&>::value_type;
    static_assert(std::is_void_v<result> || std::is_same_v<result, int>,
                  "the program of rf::run returns rf::task<> or rf::task<int>");
    if constexpr (std::is_void_v<result>) {
        co_await std::invoke(fn);
        co_return 0;
    } else {
        co_return co_await std::invoke(fn);
    }
}

}  // namespace detail

template <class F>
run_report run_and_report(F fn, const run_options& options, std::unique_ptr<driver> kernel,
                          std::source_location where) {
    static_assert(detail::task_callable<F&>,
                  "rf::run takes a function that returns rf::task<> or rf::task<int>: rf::run(f), "
                  "not rf::run(f())");
    run_report report;
    detail::run_program([&fn] { return detail::call_program(fn); }, options, std::move(kernel),
                        report, where);
    return report;
}

template <class F>
int run(F fn, const run_options& options, std::source_location where) {
    return detail::end_run(run_and_report(std::move(fn), options, nullptr, where), options.errors);
}

}  // namespace rf
