// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/cancel_monitor.hpp>

#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/cancel_error.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/shard.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace rf::leakcheck {

using rf::detail::scope_node;
using rf::detail::task_record;

cancel_monitor::cancel_monitor(cancel_monitor_options options)
    : options_(options), loop_(loop::here()), outer_(loop_.watch_unwinding(this)) {
    if (options.sites_max != 0) return;
    (void)loop_.watch_unwinding(outer_);
    RF_THROW(std::invalid_argument(
        "leakcheck::cancel_monitor: sites_max is 0, so that nothing would be watched; give it room "
        "for at least 1 line"));
}

cancel_monitor::~cancel_monitor() { (void)loop_.watch_unwinding(outer_); }

void cancel_monitor::on_late(std::function<void(const late_cancel&)> handler) {
    handler_ = std::move(handler);
}

void cancel_monitor::unwinds(const task_record& task, const scope_node& scope) noexcept {
    count(task, scope, false);
}

void cancel_monitor::returns(const task_record& task, const scope_node& scope) noexcept {
    count(task, scope, true);
}

void cancel_monitor::count(const task_record& task, const scope_node& scope, bool returned) {
    // A task that leaves several timeouts or nurseries one after the other ends once.
    const bool same = task.id == last_task_ && &scope == last_scope_;
    last_task_ = task.id;
    last_scope_ = &scope;
    const std::chrono::nanoseconds took(loop_.cached_now() - scope.cancelled_since());
    if (same && took < options_.late) return;
    const std::source_location line = rf::detail::user_line(task);
    const site_key key{line.file_name(), line.line()};
    auto found = sites_.find(key);
    if (found == sites_.end()) {
        if (sites_.size() >= options_.sites_max) {
            ++seen_.sites_refused;
            return;
        }
        found = sites_.try_emplace(key).first;
        found->second.seen.line = line;
    }
    entry& one = found->second;
    ++seen_.unwound;
    ++one.seen.count;
    one.seen.returned += returned ? 1 : 0;
    one.seen.total += took;
    one.seen.longest = std::max(one.seen.longest, took);
    if (took < options_.late) return;
    ++seen_.late;
    ++one.seen.late;
    if (one.told.count() != 0 && took < 2 * one.told) return;
    one.told = took;
    tell(task, scope, took, returned);
}

void cancel_monitor::tell(const task_record& task, const scope_node& scope,
                          std::chrono::nanoseconds took, bool returned) const {
    late_cancel late;
    late.took = took;
    late.task = task.id;
    late.shard = rf::detail::shard_index(loop_);
    late.text =
        fmt::format("{}suspect late cancel: {} (spawned at {}) {} {} after its cancel\n"
                    "  cancelled at {}: {}{}{}\n",
                    rf::detail::shard_text(loop_), rf::detail::task_text(task),
                    rf::detail::to_string(task.spawned()), returned ? "returns" : "unwinds",
                    rf::detail::age_text(took.count()), rf::detail::to_string(scope.cancelled_at()),
                    to_string(scope.cause()), scope.reason().empty() ? "" : ": ", scope.reason());
    rf::detail::append_async_stack(late.text, task, 6);
    late.text +=
        returned
            ? "  advice: it finished in spite of the cancel: look at rf::this_task::"
              "cancel_requested() or await rf::this_task::checkpoint() in what takes long\n"
            : "  advice: something before this line kept the cancel waiting: a shield or a finally "
              "(shorten its limit), a call to rf::offload, or code that does not wait for long "
              "(await rf::this_task::checkpoint() in it)\n";
    late.text += loop_.recent_events();
    if (handler_) return handler_(late);
    std::fprintf(stderr, "ringfence: %s", late.text.c_str());
}

std::vector<unwind_site> cancel_monitor::sites() const {
    std::vector<unwind_site> all;
    all.reserve(sites_.size());
    for (const auto& [key, one] : sites_)
        all.push_back(one.seen);
    std::ranges::sort(all, [](const unwind_site& a, const unwind_site& b) {
        if (a.longest != b.longest) return a.longest > b.longest;
        const std::string_view file(a.line.file_name());
        return std::pair(file, a.line.line()) <
               std::pair(std::string_view(b.line.file_name()), b.line.line());
    });
    return all;
}

std::string cancel_monitor::report(std::size_t most) const {
    const std::vector<unwind_site> all = sites();
    std::string text;
    auto out = std::back_inserter(text);
    if (!all.empty()) text += "   cancelled        late        mean     longest  waiting at\n";
    for (std::size_t i = 0; i < std::min(most, all.size()); ++i) {
        const unwind_site& one = all[i];
        fmt::format_to(
            out, "{:>12}{:>12}{:>12}{:>12}  {}\n", one.count, one.late,
            rf::detail::age_text(one.total.count() / static_cast<std::int64_t>(one.count)),
            rf::detail::age_text(one.longest.count()), rf::detail::to_string(one.line));
    }
    if (all.size() > most) fmt::format_to(out, "  ... and {} more lines\n", all.size() - most);
    wait_graph_options still;
    still.unwind_max = options_.late;
    const wait_graph graph(loop_, still);
    for (const wait_finding& finding : graph.findings())
        if (finding.what == verdict::unwinds_late) text += finding.text;
    return text;
}

}  // namespace rf::leakcheck
