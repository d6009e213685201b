// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/cancel_points.hpp>

#include <ringfence/leakcheck/detail/bubble_run.hpp>
#include <ringfence/leakcheck/detail/injected_errors.hpp>
#include <ringfence/leakcheck/detail/injector.hpp>
#include <ringfence/leakcheck/leak_suppressions.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/detail/opcode_name.hpp>
#include <ringfence/runtime/error.hpp>
#include <ringfence/runtime/frame_pool.hpp>

#include <fmt/format.h>

#include <map>
#include <span>
#include <utility>
#include <vector>

namespace rf::leakcheck {
namespace detail {
namespace {

constexpr injection times[] = {injection::before_submit, injection::cancel_wins,
                               injection::completion_wins, injection::in_cleanup};
constexpr injection origins[] = {injection::by_own_scope, injection::by_parent,
                                 injection::by_deadline};

/// So many requests of an opcode at one kind of descriptor fail with each error of their kind.
/// Those that come after, which are as a rule turns of the same loop, with one each, in rotation.
constexpr std::uint32_t whole_lists_max = 16;

/// What one run has shown.
struct outcome_of_run {
    std::string failure;
    std::vector<await_event> awaits;
    std::uint32_t delivered = 0;
    std::uint32_t transfers = 0;
    std::map<std::uint8_t, std::vector<error_class>> requests;
    std::uint64_t frames_before = 0;  // asked for when fn began
    std::uint64_t frames = 0;
};

class campaign {
public:
    campaign(const std::function<task<>()>& fn, const cancel_point_options& options)
        : fn_(fn), options_(options) {
        bubble_.world = options.world;
        bubble_.world.short_transfers = 1;  // asked about; the injector says no
        bubble_.allowed = options.allowed;
    }

    cancel_point_report run() {
        if (!options_.replay.empty()) {
            replay();
            return std::move(report_);
        }
        const outcome_of_run reference = run_once({}, true);
        report_.awaits_executed = static_cast<std::uint32_t>(reference.awaits.size());
        if (!reference.failure.empty()) {
            fail({}, "with nothing injected: " + reference.failure);
            return std::move(report_);
        }
        cancel_everywhere(reference);
        fail_everything(reference);
        if (options_.allowed != nullptr && report_.ok() && report_.complete)
            report_.unused = options_.allowed->unused();
        return std::move(report_);
    }

private:
    [[nodiscard]] bool wants(injection what) const { return options_.variants & what; }
    /// To be asked when there is more to do.
    [[nodiscard]] bool over() {
        if (report_.ok() && report_.runs < options_.runs_max) return false;
        report_.complete = false;
        return true;
    }

    void cancel_everywhere(const outcome_of_run& reference) {
        for (std::uint32_t point = 0; point < reference.awaits.size(); ++point) {
            bool any = false;
            for (const injection when : times)
                for (const injection from : origins) {
                    if (!wants(when) || !wants(from)) continue;
                    if (over()) return;
                    injection_plan plan;
                    plan.when = when;
                    plan.from = from;
                    plan.point = point;
                    plan.step = reference.awaits[point].step;
                    const outcome_of_run seen = run_once(plan, false);
                    report_.cancels += seen.delivered;
                    any |= seen.delivered != 0;
                    check(plan, seen, reference);
                }
            report_.awaits_injected += any ? 1 : 0;
        }
    }

    void check(const injection_plan& plan, const outcome_of_run& seen,
               const outcome_of_run& reference) {
        const await_event& expected = reference.awaits[plan.point];
        const std::string where = fmt::format("cancelled at await {} (task {}, {}): ", plan.point,
                                              expected.task, rf::detail::to_string(expected.where));
        const bool reached =
            plan.when == injection::before_submit || seen.awaits.size() > plan.point;
        if (!seen.failure.empty())
            fail(plan, where + seen.failure);
        else if (!reached || (plan.when != injection::before_submit &&
                              seen.awaits[plan.point].task != expected.task))
            fail(plan, where + "this run was not the same up to there; fn depends on something "
                               "else than what it is given\n");
    }

    void fail_everything(const outcome_of_run& reference) {
        if (wants(injection::error))
            for (const auto& [opcode, kinds] : reference.requests)
                fail_requests(opcode, kinds);
        if (wants(injection::short_transfer) && reference.transfers != 0)
            for (std::uint32_t nth = 0; nth <= reference.transfers; ++nth) {
                injection_plan plan;
                plan.when = injection::short_transfer;
                plan.point = nth;  // 0: all of them
                fault(plan, fmt::format("short transfer {}: ", nth));
            }
        if (wants(injection::no_memory))
            for (std::uint64_t nth = reference.frames_before + 1; nth <= reference.frames; ++nth) {
                injection_plan plan;
                plan.when = injection::no_memory;
                plan.point = static_cast<std::uint32_t>(nth);
                fault(plan, fmt::format("no memory for frame {}: ", nth));
            }
    }

    void fail_requests(std::uint8_t opcode, const std::vector<error_class>& kinds) {
        std::map<error_class, std::uint32_t> seen;
        for (std::uint32_t nth = 1; nth <= kinds.size(); ++nth) {
            std::span<const int> codes = errors_of(opcode, kinds[nth - 1]);
            if (codes.empty()) continue;
            const std::uint32_t before = seen[kinds[nth - 1]]++;
            if (before >= whole_lists_max) codes = codes.subspan(before % codes.size(), 1);
            for (const int code : codes) {
                injection_plan plan;
                plan.when = injection::error;
                plan.point = nth;
                plan.opcode = opcode;
                plan.code = code;
                fault(plan, fmt::format("{} number {} failed with {}: ",
                                        rf::detail::opcode_name(opcode), nth, errno_name(code)));
            }
        }
    }

    void fault(const injection_plan& plan, const std::string& what) {
        if (over()) return;
        const outcome_of_run seen = run_once(plan, false);
        ++report_.faults;
        if (!seen.failure.empty()) fail(plan, what + seen.failure);
    }

    void fail(const injection_plan& plan, const std::string& why) {
        replay_token token;
        token.decisions = "t";
        token.point = plan.text();
        report_.token = token.text();
        report_.failure = fmt::format("replay token {}: {}", report_.token, why);
    }

    void replay() {
        std::string refusal;
        const replay_token token = replay_token::parse(options_.replay, refusal);
        const auto plan = injection_plan::parse(token.point);
        if (refusal.empty() && !plan)
            refusal = fmt::format("the replay token \"{}\" is not one of for_each_cancel_point; "
                                  "give it to bubble()",
                                  options_.replay);
        if (!refusal.empty()) {
            report_.failure = refusal + "\n";
            report_.token = options_.replay;
            return;
        }
        const outcome_of_run seen = run_once(*plan, false);
        if (!seen.failure.empty()) fail(*plan, seen.failure);
    }

    outcome_of_run run_once(const injection_plan& plan, bool reference) {
        ++report_.runs;
        outcome_of_run seen;
        injector chooser(plan);
        bubble_run one(bubble_, chooser.decisions());
        if (!reference) one.allow_errors();
        if (plan.when == injection::error) one.world().inject(plan.opcode, plan.point, -plan.code);
        if (reference)
            one.world().on_submit = [&seen](std::uint8_t opcode, const simulated_object* object) {
                seen.requests[opcode].push_back(error_class_of(object));
            };
        const bool starves = plan.when == injection::no_memory;
        const bool counted = reference || starves;
        if (counted) frame_pool::count_blocks(starves ? plan.point : 0);
        one.execute([&] { return in_scope(chooser, seen); }, &chooser);
        if (counted) seen.frames = frame_pool::stop_counting();
        seen.failure = one.failure();
        seen.awaits = chooser.awaits();
        seen.delivered = chooser.delivered();
        seen.transfers = chooser.transfers();
        if (const auto since = chooser.cancelled_at(); since && seen.failure.empty()) {
            const instant took = one.world().time() - *since;
            if (took > options_.unwind_max.count())
                seen.failure = fmt::format("it took {:g} s of virtual time to end once cancelled\n",
                                           static_cast<double>(took) / 1e9);
        }
        return seen;
    }

    task<> in_scope(injector& chooser, outcome_of_run& seen) {
        seen.frames_before = frame_pool::blocks_counted();
        scope_node_entry outer(chooser);
        (void)co_await rf::detail::run_under(outer.node, fn_);
    }

    /// The scope around fn, known to the injector for as long as it is there.
    struct scope_node_entry {
        explicit scope_node_entry(injector& chooser)
            : node(rf::detail::scope_kind::scope, std::source_location::current()),
              chooser_(chooser) {
            chooser.set_outer(&node);
        }
        scope_node_entry(const scope_node_entry&) = delete;
        scope_node_entry& operator=(const scope_node_entry&) = delete;
        ~scope_node_entry() { chooser_.set_outer(nullptr); }
        rf::detail::scope_node node;

    private:
        injector& chooser_;
    };

    const std::function<task<>()>& fn_;
    const cancel_point_options& options_;
    bubble_options bubble_;
    cancel_point_report report_;
};

}  // namespace

cancel_point_report run_cancel_points(const std::function<task<>()>& fn,
                                      const cancel_point_options& options) {
    return campaign(fn, options).run();
}

}  // namespace detail

std::string cancel_point_report::coverage() const {
    return fmt::format("{} of {} awaits, {} cancels, {} faults, {} runs{}", awaits_injected,
                       awaits_executed, cancels, faults, runs,
                       complete ? "" : ", cut off before its end");
}

}  // namespace rf::leakcheck
