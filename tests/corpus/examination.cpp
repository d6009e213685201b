// SPDX-License-Identifier: MIT
#include "tests/corpus/examination.hpp"
#include "tests/corpus/report_reader.hpp"
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/kernel_view.hpp>
#include <ringfence/leakcheck/leak_guard.hpp>
#include <ringfence/leakcheck/monitor.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <functional>
#include <optional>

namespace rf::corpus {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

/// One run of a kernel: how, and what its detectors have said.
struct trial {
    const entry& row;
    variant how;
    marks lines{};
    std::string graph{};   // verdicts about waits
    std::string ledger{};  // what was left open, and whose books disagree
    std::string growth{};
};

/// Where a task joins its children: a consequence of what they are stuck in.
void mark_next_line(trial& on, const char* name,
                    std::source_location here = std::source_location::current()) {
    on.lines[name] = here;
}

task<> run_main(trial* on, kernel* subject, nursery* service) {
    this_task::set_name("main");
    if (on->how.as == form::background) {
        subject->place(on->how, *service, on->lines);
        co_await subject->main();
        co_return;
    }
    std::source_location join;
    auto body = [&](nursery& home) -> task<> {
        subject->place(on->how, home, on->lines);
        co_await subject->main();
        on->lines["main"] = join;
    };
    mark_next_line(*on, "main"), join = on->lines["main"];
    co_await with_nursery(body);
}

/// Looks at what is there an hour later; a moment later, where the clock is real.
task<> inspect(trial* on, const leakcheck::kernel_reconciliation* books,
               leakcheck::leak_guard* guard) {
    co_await sleep_for(on->how.simulated ? std::chrono::nanoseconds(1h) : 30ms);
    leakcheck::wait_graph_options options;
    options.age_max = on->how.simulated ? std::chrono::nanoseconds(30min) : 10ms;
    options.unwind_max = on->how.simulated ? std::chrono::nanoseconds(1min) : 10ms;
    on->graph = leakcheck::wait_graph(options).report();
    on->ledger = guard->findings() + books->findings();
}

task<> program(trial* on) {
    this_task::set_name("program");
    const std::unique_ptr<kernel> subject = on->row.make();
    leakcheck::monitor watch;
    watch.on_growth(
        [on](const leakcheck::growth_warning& warning) { on->growth += warning.table(); });
    const leakcheck::kernel_reconciliation books;
    leakcheck::leak_guard guard;
    const scope_exit clean([&] {
        subject->let_go();
        (void)guard.findings();  // what is left of a deadlock has been told
    });
    const method how = on->row.how;
    auto body = [&](nursery& service) -> task<> {
        if (how == method::watch) service.spawn_service([&] { return watch.run(); });
        service.spawn(run_main, on, subject.get(), &service);
        if (how != method::inspect) co_return;
        co_await inspect(on, &books, &guard);
        subject->inspected();
        service.cancel();
    };
    mark_next_line(*on, "program");
    co_await with_nursery(body);
    if (how == method::run || how == method::simulate || how == method::real)
        on->ledger = guard.findings() + books.findings();
}

/// What somebody would read who runs the program of `on`.
void judge(const trial& on, const std::string& failure, finding& found) {
    report_reader read(on.lines, on.row.blamed);
    if (on.row.how == method::cancel)
        read.cancel_report(failure);
    else
        read.wait_report(on.graph + failure);
    read.ledger_report(on.ledger);
    if (!read.found()) read.growth_report(on.growth);
    // Whatever else a run may have died of is not what the row is about.
    if (!read.found() && !failure.empty()) read.other_report(failure);
    found.verdict = read.verdict();
    found.proven = read.proven();
    found.wrong = read.wrong();
    if (found.found()) found.text = failure + on.graph + on.ledger + on.growth;
}

/// Keeps the report of a deadlock, which a run on the real kernel would print.
struct deadlock_report final : run_observer {
    std::string text;
    std::string deadlocked(loop& owner) override {
        leakcheck::wait_graph_options all;
        all.nothing_will_happen = true;
        return text = leakcheck::wait_graph(owner, all).report();
    }
};

void run_plain(const entry& row, form as, bool fixed, finding& found) {
    trial on{row, {as, fixed, false}};
    deadlock_report look;
    run_options how;
    how.dump_on_quit = false;
    how.observer = &look;
    (void)run_and_report([&on] { return program(&on); }, how);
    ++found.runs;
    judge(on, look.text, found);
}

void run_once(const entry& row, const variant& how, std::uint64_t seed, finding& found) {
    trial on{row, how};
    const auto fn = [&on] {
        on.lines.clear();
        return program(&on);
    };
    std::string failure;
    if (row.how == method::cancel) {
        leakcheck::cancel_point_options options;
        options.variants = leakcheck::all_cancels;
        const leakcheck::cancel_point_report report = leakcheck::for_each_cancel_point(fn, options);
        failure = report.failure;
        found.runs += report.runs;
    } else {
        leakcheck::bubble_options options;
        options.seed = seed;
        options.explore = leakcheck::explore::random;
        options.budget.runs = 1;
        if (!how.fixed) options.world.patience = 10ms;  // with threads that never answer
        failure = leakcheck::bubble(fn, options).failure;
        ++found.runs;
    }
    judge(on, failure, found);
}

}  // namespace

finding examine(const entry& row, form as, bool fixed, const exploration& budget) {
    const variant how{as, fixed, true};
    const auto start = steady::now();
    finding found;
    while (!found.found() && found.runs < budget.runs && steady::now() - start < budget.time)
        if (row.how == method::real)
            run_plain(row, as, fixed, found);
        else
            run_once(row, how, budget.seed + found.runs, found);
    found.took = std::chrono::duration_cast<std::chrono::microseconds>(steady::now() - start);
    return found;
}

finding examine_plain(const entry& row, form as, bool fixed) {
    finding found;
    const method how = row.how;
    if (how != method::run && how != method::inspect && how != method::real) return found;
    run_plain(row, as, fixed, found);
    return found;
}

}  // namespace rf::corpus
