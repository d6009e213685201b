// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/bubble_run.hpp>

#include <ringfence/leakcheck/detail/leak_collector.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/detail/exception_text.hpp>
#include <ringfence/runtime/detail/openings.hpp>
#include <ringfence/runtime/frame_pool.hpp>
#include <ringfence/runtime/task_tree.hpp>

#include <fmt/format.h>

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

namespace rf::leakcheck::detail {
namespace {

constexpr std::uint64_t jumps_max = 10'000'000;
constexpr instant grace = 3'600'000'000'000;  // an hour

thread_local constinit bubble_run* running = nullptr;

task<> call_program(const std::function<task<>()>* fn) { co_await (*fn)(); }

}  // namespace

bubble_run* bubble_run::current() noexcept { return running; }

bubble_run::bubble_run(const bubble_options& options, choices decisions)
    : options_(options), world_(options.world, std::move(decisions)),
      until_(options.time_max.count()), jumps_until_(jumps_max) {}

bubble_run::~bubble_run() = default;

void bubble_run::execute(const std::function<task<>()>& fn, rf::detail::scheduler* chooser) {
    RF_ASSERT(
        loop::current() == nullptr,
        "a bubble has a loop of its own and cannot be inside of rf::run or of another bubble");
    chooser_ = chooser;
    bubble_run* const outer = std::exchange(running, this);
    const std::size_t frames_before = frame_pool::statistics().blocks_live;
    run_options how;
    how.dump_on_quit = false;
    how.hold_up_after = std::chrono::milliseconds(0);  // in virtual time waiting costs nothing
    how.flight_events = 256;
    how.observer = this;
    const run_report report = run_and_report([&fn] { return call_program(&fn); }, how,
                                             std::make_unique<simulated_driver>(world_));
    running = outer;
    judge(report, frame_pool::statistics().blocks_live != frames_before);
}

void bubble_run::begins(loop& owner) {
    simulated_driver::current()->before_jump = [this, &owner] { return before_jump(owner); };
    owner.set_scheduler(chooser_);
    owner.keep_openings();  // to the end of the loop
    if (options_.nurseries_leave_nothing)
        owner.openings()->on_nursery_closed = [this, &owner](std::uint64_t number) {
            nursery_closed(owner, number);
        };
}

bool bubble_run::idle(loop&) {
    if (blocked_.empty()) return false;
    while (!blocked_.empty())
        blocked_.pop_front().all_blocked();
    return true;
}

std::string bubble_run::deadlocked(loop& owner) {
    wait_graph_options all;
    all.nothing_will_happen = true;
    all.allowed = options_.allowed;
    const wait_graph graph(owner, all);
    if (options_.allowed == nullptr || !graph.findings().empty()) return graph.report();
    all.allowed = nullptr;
    stuck_allowed_ = !wait_graph(owner, all).findings().empty();
    return {};
}

void bubble_run::ends(loop& owner) {
    if (options_.allowed == nullptr) return;
    // Begins the check that descriptors_left() ends, also where a loop has nothing left.
    leak_collector left(options_.allowed);
    left.collect(owner, [](const resource&) { return true; });
    left_at_end_ = left.take();
    descriptors_seen_ = left.descriptors_allowed();
    left_at_end_ += resource_table(owner).describe_unnamed();
}

bool bubble_run::before_jump(loop& owner) {
    // A message from another thread is awaited in real time.
    if (owner.posts_expected() == 0 && idle(owner)) return true;
    if (owner.account().tasks_live == 0) return false;
    ++jumps_;
    if (world_.time() > until_ || jumps_ > jumps_until_) {
        give_up(owner, fmt::format("the run goes on after {:g} s of virtual time, in which the "
                                   "clock jumped {} times\n",
                                   static_cast<double>(world_.time()) / 1e9, jumps_));
        return true;
    }
    if (jumps_ < 64 || !std::has_single_bit(jumps_) || given_up_) return false;
    wait_graph_options proofs;
    proofs.allowed = options_.allowed;
    const wait_graph graph(owner, proofs);
    for (const wait_finding& finding : graph.findings()) {
        if (!finding.proof() || finding.age < options_.patience) continue;
        give_up(owner, "some tasks can never go on, while others do\n");
        return true;
    }
    return false;
}

void bubble_run::give_up(loop& owner, std::string why) {
    const std::string tree = wait_graph(owner).report() + task_tree(owner) + owner.recent_events();
    if (given_up_) {
        std::fprintf(stderr,
                     "ringfence: a bubble cannot be left, because these cannot be cancelled:\n%s",
                     tree.c_str());
        std::abort();
    }
    given_up_ = true;
    // For what is shielded, and for cleanup.
    until_ = world_.time() + grace;
    jumps_until_ = jumps_ + jumps_max;
    failure_ = std::move(why) + tree;
    owner.root_nursery->cancel("the bubble gave up");
}

// Requests are not looked at: the kernel lets go of a closed socket a moment later. Nor are the
// clocks of objects, which live and die with those.
void bubble_run::nursery_closed(const loop& owner, std::uint64_t number) {
    leak_collector left(options_.allowed);
    left.collect(owner, [number](const resource& one) {
        return one.kind != resource_kind::operation && !one.shared && !one.outlived.empty() &&
               one.outlived.front().number == number;
    });
    left_by_nurseries_ += left.take();
}

// Belongs to the check that ends() began.
bool bubble_run::descriptors_left() {
    bool any = false;
    world_.for_each_descriptor([&](int fd, const std::string& kind) {
        if (descriptors_seen_.contains(fd)) return;
        leak_subject left;
        left.kind = resource_kind::descriptor;
        left.label = kind;
        left.site = kind;
        left.text = fmt::format("descriptor {} ({})\n", fd, kind);
        any |= options_.allowed == nullptr || !options_.allowed->allows(left);
    });
    return any;
}

void bubble_run::judge(const run_report& report, bool frames_left) {
    error_ = report.error;
    if (!failure_.empty()) return;
    if (!report.refusal.empty())
        failure_ = report.refusal + "\n";
    else if (!report.deadlock.empty() && !stuck_allowed_)
        failure_ = report.deadlock;
    else if (report.error != nullptr && !errors_allowed_)
        failure_ = "it threw: " + rf::detail::exception_text(report.error) + "\n";
    if (!left_by_nurseries_.empty())
        failure_ += "left open when a nursery closed:\n" + left_by_nurseries_;
    const std::string& left = options_.allowed == nullptr ? report.leaks : left_at_end_;
    if (!report.leaks.empty() && !left.empty()) failure_ += "left open at the end: " + left;
    for (const std::string& fault : report.faults)
        failure_ += fault + "\n";
    if (!options_.leave_descriptors && descriptors_left())
        failure_ += "descriptors were left open\n" + world_.describe_pending();
    if (frames_left) failure_ += "coroutine frames were left behind, or destroyed twice\n";
}

}  // namespace rf::leakcheck::detail
