// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/bubble.hpp>

#include <ringfence/leakcheck/detail/bubble_run.hpp>
#include <ringfence/leakcheck/detail/explorer.hpp>
#include <ringfence/leakcheck/leak_suppressions.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <fmt/format.h>

#include <optional>
#include <utility>

namespace rf::leakcheck {
namespace detail {
namespace {

using steady = std::chrono::steady_clock;

/// The seed of a run of its own: neighbours must not resemble each other.
std::uint64_t seed_of(std::uint64_t base, std::uint32_t run) {
    return run == 0 ? base : (base + run) * 0x9e37'79b9'7f4a'7c15U;
}

class exploration {
public:
    exploration(const std::function<task<>()>& fn, const bubble_options& options)
        : fn_(fn), options_(options), until_(steady::now() + options.budget.time) {}

    bubble_report run() {
        if (!options_.replay.empty()) {
            replay();
        } else if (options_.explore == explore::depth_first) {
            search();
        } else {
            const std::uint32_t runs = options_.explore == explore::none ? 1 : options_.budget.runs;
            for (std::uint32_t i = 0; i < runs && report_.ok() && !spent(); ++i)
                run_seed(seed_of(options_.seed, i));
        }
        if (options_.allowed != nullptr && options_.replay.empty() && report_.ok())
            report_.unused = options_.allowed->unused();
        return std::move(report_);
    }

private:
    [[nodiscard]] bool spent() const { return report_.runs != 0 && steady::now() > until_; }

    void run_seed(std::uint64_t seed) {
        replay_token token;
        token.mode = options_.explore;
        if (token.mode == explore::pct) {
            token.steps = steps_;
            token.changes = options_.budget.changes;
        }
        choices decisions = choices::seeded(seed);
        token.decisions = decisions.token();
        (void)run_once(std::move(decisions), token);
    }

    void search() {
        std::optional<choices> next = choices::scripted({});
        while (next && report_.ok() && !spent() && report_.runs < options_.budget.runs) {
            replay_token token;
            token.mode = explore::depth_first;
            token.changes = options_.budget.switches;
            next = run_once(std::move(*next), token);
        }
        report_.exhausted = !next.has_value();
    }

    void replay() {
        std::string refusal;
        const replay_token token = replay_token::parse(options_.replay, refusal);
        if (!refusal.empty()) {
            report_.failure = refusal + "\n";
            report_.token = options_.replay;
            return;
        }
        (void)run_once(*choices::from_token(token.decisions), token);
    }

    /// Returns the decisions of the run after this one, in a depth-first search.
    std::optional<choices> run_once(choices decisions, replay_token token) {
        bubble_run one(options_, std::move(decisions));
        explorer_options how;
        how.mode = token.mode;
        how.steps = token.steps;
        how.changes = token.changes;
        how.switches = token.changes;
        if (token.mode == explore::pct) how.seed = std::hash<std::string>()(token.decisions);
        explorer chooser(one.decisions(), how);
        one.execute(fn_, token.mode == explore::none ? nullptr : &chooser);
        ++report_.runs;
        steps_ = chooser.steps();
        token.decisions = one.decisions().token();
        report_.token = token.text();
        if (!one.failure().empty()) {
            report_.failure = fmt::format("run {}, replay token {}: {}", report_.runs,
                                          report_.token, one.failure());
            report_.error = one.error();
        }
        return one.decisions().next();
    }

    const std::function<task<>()>& fn_;
    const bubble_options& options_;
    steady::time_point until_;
    std::uint32_t steps_ = 0;  // of the run before
    bubble_report report_;
};

}  // namespace

bubble_report run_bubble(const std::function<task<>()>& fn, const bubble_options& options) {
    return exploration(fn, options).run();
}

void blocked_awaiter::await_suspend(std::coroutine_handle<>) noexcept {
    bubble_run* const here = bubble_run::current();
    RF_ASSERT(here != nullptr, "wait_all_blocked() and advance() are for functions in a bubble");
    if (enter()) here->add_blocked(*this);
}

void blocked_awaiter::describe(wait_description& out) const {
    out.kind = "bubble";
    out.what = "all other tasks to block";
    out.owner = "the bubble";
}

}  // namespace detail

task<> advance(std::chrono::nanoseconds span) {
    co_await sleep_for(span);
    co_await wait_all_blocked();
}

}  // namespace rf::leakcheck
