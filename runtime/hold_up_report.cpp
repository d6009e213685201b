// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/hold_up_report.hpp>

#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/shard_set.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/run_observer.hpp>
#include <ringfence/runtime/task_tree.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace rf::detail {

hold_up_report::hold_up_report(loop& owner, nursery& root, instant first)
    : owner_(owner), root_(root), next_(first) {
    timer_.self = hook_.self = this;
    timer_.on_fire = [](timer& fired) noexcept { static_cast<own_timer&>(fired).self->tell(); };
    hook_.on_event = [](scope_hook& hook) noexcept {
        hold_up_report& self = *static_cast<own_hook&>(hook).self;
        self.cancelled_at_ = self.owner_.cached_now();
        self.arm();
    };
    if (first > 0) root.scope().on_cancel.push_back(hook_);
}

hold_up_report::~hold_up_report() {
    if (hook_.linked()) hook_.unlink();
    if (!timer_.armed()) return;
    owner_.timers().cancel(timer_);
    --owner_.background_timers;
}

void hold_up_report::arm() noexcept {
    owner_.timers().arm(timer_, cancelled_at_ + next_);
    ++owner_.background_timers;
}

void hold_up_report::tell() noexcept {
    --owner_.background_timers;
    const accounting left = owner_.account();
    if (left.tasks_live == 0 && left.operations == 0) return;  // it waits for a thread, or a shard
    const scope_node& scope = root_.scope();
    std::string text =
        fmt::format("ringfence: {}cancelled {} ago ({}{}{}) and not ended; held up by:\n",
                    shard_text(owner_), age_text(owner_.cached_now() - cancelled_at_),
                    to_string(scope.cause()), scope.reason().empty() ? "" : ": ", scope.reason());
    if (owner_.observer != nullptr) text += owner_.observer->held_up(owner_);
    text += task_tree(owner_) + owner_.recent_events();
    std::fputs(text.c_str(), stderr);
    if (shard_state* const here = owner_.shard(); here != nullptr) {
        here->guests_told = owner_.cached_now();  // the tree had them
        here->set->tell_of_guests();
    }
    if (next_ > told_max) return;
    next_ *= 2;
    arm();
}

}  // namespace rf::detail
