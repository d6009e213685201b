// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/verdict_watch.hpp>

#include <ringfence/runtime/assert.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <iterator>
#include <stdexcept>
#include <string>

namespace rf::leakcheck {

verdict_watch::verdict_watch(verdict_watch_options options)
    : options_(options), loop_(loop::here()) {
    if (options.interval.count() <= 0)
        RF_THROW(std::invalid_argument(fmt::format(
            "leakcheck::verdict_watch: an interval of {} ns; it has to be longer than 0",
            options.interval.count())));
    timer_.self = this;
    timer_.on_fire = [](timer& fired) noexcept {
        verdict_watch& self = *static_cast<own_timer&>(fired).self;
        --self.loop_.background_timers;
        (void)self.look();
        self.arm();
    };
    arm();
}

verdict_watch::~verdict_watch() {
    loop_.timers().cancel(timer_);
    --loop_.background_timers;
}

void verdict_watch::on_finding(std::function<void(const wait_finding&)> handler) {
    handler_ = std::move(handler);
}

void verdict_watch::arm() {
    loop_.timers().arm(timer_, loop_.cached_now() + options_.interval.count());
    ++loop_.background_timers;
}

std::size_t verdict_watch::look() {
    ++seen_.looks;
    const wait_graph graph(loop_, options_.graph);
    seen_.tasks_stuck = graph.stuck();
    for (auto& [where, one] : told_)
        one.tasks_now = 0;
    std::size_t news = 0;
    for (const wait_finding& finding : graph.findings()) {
        if (finding.what <= verdict::likely_cycle && finding.age < options_.patience) continue;
        told& one = told_[{finding.what, finding.where.file_name(), finding.where.line()}];
        one.tasks_now += finding.tasks.size();
        if (one.tasks_told != 0 && one.tasks_now < 2 * one.tasks_told) continue;
        one.tasks_told = one.tasks_now;
        ++news;
        tell(finding);
    }
    for (auto at = told_.begin(); at != told_.end();)
        at = at->second.tasks_now == 0 ? told_.erase(at) : std::next(at);
    seen_.told += news;
    return news;
}

void verdict_watch::tell(const wait_finding& finding) const {
    wait_finding whole = finding;
    whole.text += loop_.recent_events();
    if (handler_) return handler_(whole);
    std::fprintf(stderr, "ringfence: %s", whole.text.c_str());
}

}  // namespace rf::leakcheck
