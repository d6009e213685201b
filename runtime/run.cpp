// SPDX-License-Identifier: MIT
#include <ringfence/runtime/run.hpp>

#include <ringfence/runtime/detail/exception_text.hpp>
#include <ringfence/runtime/detail/hold_up_report.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/task_tree.hpp>
#include <ringfence/runtime/uring_driver.hpp>

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace rf {
namespace detail {
namespace {

// What one run keeps on its stack; the loop's hooks find it through `active`.
struct run_state {
    const run_options& options;
    run_report& report;
    nursery& root;
    signal_listener signals;
    std::uint32_t stops = 0;  // stop signals so far
    bool deadlocked = false;
};

thread_local constinit run_state* active = nullptr;

void print_tree(const loop& owner) noexcept {
    std::fputs((task_tree(owner) + owner.recent_events()).c_str(), stderr);
}

void on_stop_signal(loop& owner, run_state& state, int signal) noexcept {
    switch (++state.stops) {
    case 1:
        state.report.stopped_by = signal;
        if (owner.drain_listeners != 0) {
            state.root.drain(state.options.drain_grace);
            return;
        }
        state.root.cancel(fmt::format("signal {}", signal));
        return;
    case 2:
        state.report.status = 128 + signal;
        state.root.cancel(fmt::format("signal {}, the second", signal));
        return;
    default:
        std::fprintf(stderr, "ringfence: third stop signal (%d); aborting with\n", signal);
        print_tree(owner);
        std::abort();
    }
}

void on_turn(loop& owner) noexcept {
    run_state& state = *active;
    if (!state.signals.pending()) return;
    if (state.options.dump_on_quit && !state.options.stop_on.contains(SIGQUIT) &&
        state.signals.take(SIGQUIT) != 0)
        print_tree(owner);
    for (const int signal : state.options.stop_on)
        for (std::uint32_t count = state.signals.take(signal); count != 0; --count)
            on_stop_signal(owner, state, signal);
}

// Nothing can run and nothing will wake it. Under stop_on a program may wait for its signal.
bool on_quiescent(loop& owner) noexcept {
    run_state& state = *active;
    run_observer* const observer = state.options.observer;
    if (observer != nullptr && observer->idle(owner)) return true;
    if (state.options.stop_on.begin() != state.options.stop_on.end()) return false;
    if (state.deadlocked) {
        std::fputs("ringfence: deadlock, and the waits cannot be cancelled:\n", stderr);
        print_tree(owner);
        std::abort();
    }
    state.deadlocked = true;
    state.report.deadlock =
        "deadlock: every task waits, and nothing is left that could wake one: no timer, no "
        "operation in the kernel, no other thread\n" +
        (observer != nullptr ? observer->deadlocked(owner) : std::string()) + task_tree(owner) +
        owner.recent_events();
    state.root.cancel("deadlock");
    return true;
}

}  // namespace

signal_list signals_of(const run_options& options) {
    signal_list all = options.stop_on;
    if (options.dump_on_quit && !all.contains(SIGQUIT)) all.add(SIGQUIT);
    return all;
}

task<> run_main(const program* start, run_report* report) {
    report->cancelled = true;  // until proven otherwise
    const int status = co_await (*start)();
    report->cancelled = false;
    if (report->status == 0) report->status = status;
}

void run_program(program start, const run_options& options, std::unique_ptr<driver> kernel,
                 run_report& report, std::source_location where) {
    if (kernel == nullptr) kernel = make_uring_driver(options.ring, report.refusal);
    if (kernel == nullptr) {
        report.status = exit_status_failure;
        return;
    }
    loop owner(std::move(kernel), options.limits);
    {
        nursery root(nursery_options{.name = "root"}, where);
        root.open(&owner.root(), nullptr);
        owner.root_nursery = &root;
        run_state state{options, report, root, signal_listener(owner, signals_of(options))};
        run_state* outer = std::exchange(active, &state);
        owner.on_turn = on_turn;
        owner.on_quiescent = on_quiescent;
        owner.observer = options.observer;
        owner.record_flight(options.flight_events);
        const hold_up_report hold_up(owner, root, to_nanoseconds(options.hold_up_after));

        if (options.observer != nullptr) options.observer->begins(owner);
        root.spawn(run_main, &start, &report, where);
        root.close_body(nullptr);
        owner.run_until_idle();
        if (options.observer != nullptr) options.observer->ends(owner);

        owner.observer = nullptr;
        owner.on_turn = nullptr;
        owner.on_quiescent = nullptr;
        active = outer;
        owner.root_nursery = nullptr;
        report.error = root.take_failure();
        root.finish();
    }
    close_books(owner, options, report);
}

void close_books(const loop& owner, const run_options& options, run_report& report) {
    report.final = owner.account();
    report.faults = owner.ledger().faults();
    if (!report.final.empty()) {
        report.leaks = report.final.receipt() + "\n" + owner.ledger().describe();
        if (options.leaks == on_leak::abort) {
            std::fprintf(stderr, "ringfence: left open at the end of the run: %s",
                         report.leaks.c_str());
            std::abort();
        }
    }
    if (report.status == 0) {
        if (report.error != nullptr || !report.deadlock.empty())
            report.status = exit_status_failure;
        else if (!report.leaks.empty() || !report.faults.empty())
            report.status = exit_status_leak;
    }
}

int end_run(run_report report, [[maybe_unused]] on_error errors) {
#if RF_EXCEPTIONS
    if (errors == on_error::rethrow && report.error != nullptr) {
        const std::exception_ptr error = std::exchange(report.error, nullptr);
        rf::print_report(report);
        std::rethrow_exception(error);
    }
#endif
    return rf::print_report(report);
}

int print_report(const run_report& report, const std::string& where) noexcept {
    if (!report.refusal.empty()) std::fprintf(stderr, "ringfence: %s\n", report.refusal.c_str());
    if (!report.deadlock.empty()) std::fprintf(stderr, "ringfence: %s", report.deadlock.c_str());
    if (report.error != nullptr)
        std::fprintf(stderr, "ringfence: the program failed%s: %s\n", where.c_str(),
                     exception_text(report.error).c_str());
    for (const std::string& fault : report.faults)
        std::fprintf(stderr, "ringfence: %s\n", fault.c_str());
    if (!report.leaks.empty())
        std::fprintf(stderr, "ringfence: left open at the end of the run: %s",
                     report.leaks.c_str());
    return report.status;
}

}  // namespace detail

int print_report(const run_report& report) noexcept { return detail::print_report(report, {}); }

nursery& root_nursery() noexcept {
    loop& owner = loop::here();
    RF_ASSERT(owner.root_nursery != nullptr, "the root nursery exists only while rf::run runs");
    return *owner.root_nursery;
}

}  // namespace rf
