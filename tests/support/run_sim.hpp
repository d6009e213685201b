// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/lifetime_tracker.hpp"
#include "tests/support/sequencer.hpp"
#include <ringfence/leakcheck/simulated_driver.hpp>
#include <ringfence/runtime/run.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace rf::test {

/// How a test runs its program.
struct sim_options {
    std::uint64_t seed = 1;
    leakcheck::simulated_options world{};  // its seed is not used
    run_options run{};
    /// Decisions from this token instead of the seed.
    std::string token{};
    /// Simulated descriptors that may be left open, beside those of the loop's objects.
    bool leave_descriptors = false;
};

/// Runs `fn`, a function of nothing or of the simulated kernel that returns a task, under virtual
/// time. The test fails if the run is refused, deadlocks, or leaves a task, operation, timer,
/// buffer or descriptor; an exception that leaves the program is thrown on.
template <class F>
void run_sim(sim_options options, F&& fn);
template <class F>
void run_sim(F&& fn) {
    run_sim(sim_options{}, std::forward<F>(fn));
}

/// The same without the checks, for tests that expect a deadlock or a leak.
template <class F>
[[nodiscard]] run_report report_sim(sim_options options, F&& fn);

/// Runs `fn`, a function of nothing that returns a task, on the real kernel, with the same checks.
/// A test that needs what the kernel lacks returns early.
template <class F>
void run_real(const run_options& options, F&& fn);
template <class F>
void run_real(F&& fn) {
    run_real(run_options{}, std::forward<F>(fn));
}

/// Runs `test(seed)` for `count` seeds, ten times as many if RF_TEST_ALL is set, one only if
/// RF_TEST_SEED names it. A failure says which seed it was.
void for_seeds(std::uint32_t count, const std::function<void(std::uint64_t seed)>& test);

/// Virtual time since construction. Inside a run only.
class stopwatch {
public:
    stopwatch() noexcept : start_(loop::here().now()) {}
    [[nodiscard]] std::chrono::nanoseconds elapsed() const noexcept {
        return std::chrono::nanoseconds(loop::here().now() - start_);
    }

private:
    instant start_;
};

// Implementation

void check_report(const run_report& report, const std::string& world);
[[nodiscard]] leakcheck::simulated_kernel make_world(const sim_options& options);

template <class F>
auto start_in(leakcheck::simulated_kernel& world, F& fn) {
    if constexpr (std::invocable<F&, leakcheck::simulated_kernel&>)
        return std::invoke(fn, world);
    else
        return std::invoke(fn);
}

template <class F>
void run_sim(sim_options options, F&& fn) {
    leakcheck::simulated_kernel world = make_world(options);
    const run_report report = run_and_report([&] { return start_in(world, fn); }, options.run,
                                             std::make_unique<leakcheck::simulated_driver>(world));
    const bool open = !options.leave_descriptors && world.open_descriptors() != 0;
    check_report(report, open ? world.describe_pending() : std::string());
}

template <class F>
run_report report_sim(sim_options options, F&& fn) {
    leakcheck::simulated_kernel world = make_world(options);
    return run_and_report([&] { return start_in(world, fn); }, options.run,
                          std::make_unique<leakcheck::simulated_driver>(world));
}

template <class F>
void run_real(const run_options& options, F&& fn) {
    check_report(run_and_report([&] { return std::invoke(fn); }, options), {});
}

}  // namespace rf::test
