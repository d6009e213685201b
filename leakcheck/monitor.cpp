// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/monitor.hpp>

#include <ringfence/leakcheck/detail/profile_table.hpp>
#include <ringfence/leakcheck/detail/report_file.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/shard.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace rf::leakcheck {
monitor::monitor(monitor_options options) : options_(options) {
    if (options.interval.count() <= 0)
        RF_THROW(std::invalid_argument(fmt::format("leakcheck::monitor: an interval of {} ns; it "
                                                   "has to be longer than 0",
                                                   options.interval.count())));
    if (options.sites_max == 0)
        RF_THROW(std::invalid_argument(
            "leakcheck::monitor: sites_max is 0, so that nothing would be watched; give it room "
            "for at least 1 line"));
}

void monitor::on_growth(std::function<void(const growth_warning&)> handler) {
    handler_ = std::move(handler);
}

task<> monitor::run() {
    for (;;) {
        sample();
        co_await sleep_for(options_.interval);
    }
}

void monitor::sample() {
    const loop& owner = loop::here();
    for (auto& [key, one] : sites_)
        one.now = one.came = 0;
    seen_.tasks_seen = seen_.tasks_lasting = 0;
    // Without recursion: scopes nest as deep as users nest them.
    std::vector<const rf::detail::scope_node*> todo{&owner.root()};
    while (!todo.empty()) {
        const rf::detail::scope_node* scope = todo.back();
        todo.pop_back();
        scope->children.for_each(
            [&](const rf::detail::scope_node& child) { todo.push_back(&child); });
        scope->tasks.for_each([&](const rf::detail::task_record& task) { look_at(task); });
    }
    judge();
    last_ids_[1] = std::exchange(last_ids_[0], owner.last_task_id());
    times_[1] = std::exchange(times_[0], owner.cached_now());
    ++seen_.samples;
    seen_.sites = sites_.size();
}

void monitor::look_at(const rf::detail::task_record& task) {
    ++seen_.tasks_seen;
    if (seen_.samples == 0 || task.id > last_ids_[0]) return;
    ++seen_.tasks_lasting;
    count(site_kind::spawn, task.spawned(), task.id > last_ids_[1]);
    if (task.state != rf::detail::task_state::waiting) return;
    const instant since = task.wait->since();
    if (since <= times_[0]) count(site_kind::wait, rf::detail::user_line(task), since > times_[1]);
}

void monitor::count(site_kind kind, const std::source_location& line, bool came) {
    const site_key key{line.file_name(), line.line(), kind};
    auto found = sites_.find(key);
    if (found == sites_.end()) {
        if (sites_.size() >= options_.sites_max) {
            ++seen_.sites_refused;
            return;
        }
        found = sites_.try_emplace(key, site{line, 0, 0, detail::growth_track(0)}).first;
    }
    ++found->second.now;
    found->second.came += came ? 1 : 0;
}

void monitor::judge() {
    growth_warning warning;
    for (auto at = sites_.begin(); at != sites_.end();) {
        site& one = at->second;
        if (seen_.samples == 1) {
            one.track = detail::growth_track(one.now);  // what was there before is the baseline
        } else if (const auto news = one.track.add(one.now, one.came)) {
            warning.sites.push_back(trend_of(at->first, one, *news));
        }
        // A line that has had none for a while is forgotten; it would begin anew with none.
        at = one.track.empty_for() >= 100 ? sites_.erase(at) : std::next(at);
    }
    if (!warning.sites.empty()) tell(warning);
}

void monitor::tell(growth_warning& warning) {
    ++seen_.warnings;
    std::sort(warning.sites.begin(), warning.sites.end(),
              [](const site_trend& a, const site_trend& b) {
                  if (a.per_second != b.per_second) return a.per_second > b.per_second;
                  return a.kind < b.kind;
              });
    const loop& owner = loop::here();
    warning.shard = rf::detail::shard_index(owner);
    warning.events = owner.recent_events();
    if (handler_) return handler_(warning);
    std::fprintf(stderr, "ringfence: %stasks that do not end keep growing in number:\n%s%s",
                 rf::detail::shard_text(owner).c_str(), warning.table().c_str(),
                 warning.events.c_str());
}

site_trend monitor::trend_of(const site_key& key, const site& one,
                             const detail::growth_trend& seen) const {
    const double interval_s = std::chrono::duration<double>(options_.interval).count();
    return {.kind = key.kind,
            .line = one.line,
            .baseline = seen.baseline,
            .now = seen.now,
            .per_second = seen.per_sample / interval_s,
            .over = options_.interval * static_cast<std::int64_t>(seen.samples)};
}

growth_warning monitor::lasting() const {
    growth_warning all;
    for (const auto& [key, one] : sites_)
        if (one.now != 0) all.sites.push_back(trend_of(key, one, one.track.latest()));
    std::sort(all.sites.begin(), all.sites.end(), [](const site_trend& a, const site_trend& b) {
        if (a.now != b.now) return a.now > b.now;
        return a.kind < b.kind;
    });
    return all;
}

std::string growth_warning::table() const {
    std::string text = "    baseline         now  per second         over  line\n";
    for (const site_trend& one : sites) {
        fmt::format_to(std::back_inserter(text), "{:>12}{:>12}{:>+12.2f}{:>11.4g} s  {} {}\n",
                       one.baseline, one.now, one.per_second,
                       std::chrono::duration<double>(one.over).count(),
                       one.kind == site_kind::spawn ? "spawned at" : "waiting at",
                       rf::detail::to_string(one.line));
    }
    return text;
}

// A task that waits is counted by the line that spawned it and by that of its wait: hence two
// roots, and a label to see one of them alone.
std::string growth_warning::diff_profile() const {
    detail::profile_table table;
    table.add_value_type("growth", "count");
    table.add_value_type("now", "count");
    table.add_value_type("baseline", "count");
    for (const site_trend& one : sites) {
        const bool spawned = one.kind == site_kind::spawn;
        const auto now = static_cast<std::int64_t>(one.now);
        const auto baseline = static_cast<std::int64_t>(one.baseline);
        table.begin();
        table.push_line(one.line.function_name(), one.line);
        table.push_line(spawned ? "tasks spawned at" : "tasks waiting at", "", 0);
        table.text_label("site", spawned ? "spawn" : "wait");
        table.number_label("over", one.over.count(), "nanoseconds");
        table.end({now - baseline, now, baseline});
    }
    return detail::encode_profile(table);
}

void growth_warning::write_diff_profile(const std::string& path) const {
    detail::write_report_file(path, diff_profile());
}

}  // namespace rf::leakcheck
