// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/explorer.hpp>

#include <algorithm>

namespace rf::leakcheck::detail {
namespace {

constexpr std::uint64_t first_priority = 1'000'000;  // above all that changes hand out

}  // namespace

explorer::explorer(choices& decisions, const explorer_options& options)
    : choices_(decisions), options_(options), state_(options.seed ^ 0x7c15'5eed'0bad'f00dU),
      lowest_(options.changes) {
    if (options_.mode != explore::pct) return;
    for (std::uint32_t i = 0; i < options_.changes && options_.steps != 0; ++i)
        change_at_.insert(static_cast<std::uint32_t>(random() % options_.steps) + 1);
}

std::uint64_t explorer::random() noexcept {
    // splitmix64, as in choices.
    std::uint64_t mixed = state_ += 0x9e37'79b9'7f4a'7c15U;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58'476d'1ce4'e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d0'49bb'1331'11ebU;
    return mixed ^ (mixed >> 31);
}

std::size_t explorer::choose(queue ready) {
    if (options_.mode == explore::pct) return highest(ready);
    if (options_.mode == explore::none || ready.size() == 1) return 0;
    return ask(ready);
}

std::size_t explorer::ask(queue ready) {
    // The one that ran, if it gave way, is at the end of the queue: it counts as the first.
    const auto same = std::ranges::find_if(
        ready, [&](const rf::detail::task_record* task) { return task->id == last_; });
    const auto count = static_cast<std::uint32_t>(ready.size());
    if (same == ready.end()) return choices_.pick(choice::schedule, count);
    const auto at = static_cast<std::size_t>(same - ready.begin());
    const bool bounded = options_.mode == explore::depth_first;
    if (bounded && switches_ >= options_.switches) return at;
    const std::size_t chosen = choices_.pick(choice::schedule, count);
    if (chosen == 0) return at;
    ++switches_;
    return chosen - 1 < at ? chosen - 1 : chosen;
}

std::size_t explorer::highest(queue ready) {
    for (const rf::detail::task_record* task : ready)
        if (const auto [entry, fresh] = priorities_.try_emplace(task->id, 0); fresh)
            entry->second = first_priority + random() % first_priority;
    if (change_at_.contains(steps_ + 1))
        if (const auto found = priorities_.find(last_); found != priorities_.end())
            found->second = lowest_ != 0 ? lowest_-- : 0;
    const auto best = std::ranges::max_element(
        ready, [&](const rf::detail::task_record* a, const rf::detail::task_record* b) {
            return priorities_.at(a->id) < priorities_.at(b->id);
        });
    return static_cast<std::size_t>(best - ready.begin());
}

void explorer::before(rf::detail::task_record& task) {
    last_ = task.id;
    ++steps_;
}

}  // namespace rf::leakcheck::detail
