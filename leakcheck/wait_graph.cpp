// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/wait_graph.hpp>

#include <ringfence/leakcheck/detail/leak_collector.hpp>
#include <ringfence/leakcheck/detail/wait_edges.hpp>
#include <ringfence/leakcheck/detail/wait_text.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/shard.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <algorithm>
#include <compare>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

namespace rf::leakcheck {
namespace {

using detail::wait_edges;
using rf::detail::scope_node;
using rf::detail::task_record;

constexpr std::size_t shown_max = 8;  // tasks of one finding, in its text

/// Tasks that wait at one line, with one verdict.
using site = std::tuple<verdict, const char*, std::uint32_t>;

/// A task that waits, with what orders a finding: who reads it again has left the cache.
struct suspect {
    instant since;
    std::uint64_t number;
    const task_record* task;

    explicit suspect(const task_record& of) : since(of.wait->since()), number(of.id), task(&of) {}
    friend auto operator<=>(const suspect&, const suspect&) = default;
};

/// The scope whose cancel a shield keeps from `task`; null if there is none.
bool shielded_from_cancel(const task_record& task) {
    for (const scope_node* scope = task.scope; scope != nullptr; scope = scope->parent())
        if (scope->shielded()) return scope->parent() != nullptr && scope->parent()->cancelled();
    return false;
}

/// Whether `task` is a service, or inside one: these go last, whatever they wait for.
bool serves(const task_record& task) {
    for (const scope_node* scope = task.scope; scope != nullptr; scope = scope->parent())
        if (scope->kind() == rf::detail::scope_kind::services) return true;
    return false;
}

class finder {
public:
    finder(const loop& of, const wait_graph_options& options)
        : loop_(of), options_(options), edges_(of), now_(of.cached_now()) {
        moves_ = !options.nothing_will_happen && !of.quiescent();
        for (std::size_t i = 0; i < edges_.task_count && !moves_; ++i)
            moves_ = !edges_.nodes[i].waits;
        edges_.mark_alive(moves_);
    }

    std::vector<wait_finding> run() {
        if (options_.allowed != nullptr) options_.allowed->begin_check();
        in_cycle_.assign(edges_.task_count, false);
        for (const std::vector<std::uint32_t>& cycle : edges_.cycles())
            add_cycle(verdict::cycle, cycle);
        if (edges_.moved) find_likely_cycles();
        for (std::size_t i = 0; i < edges_.task_count; ++i)
            if (edges_.nodes[i].waits && !in_cycle_[i]) judge(edges_.nodes[i]);
        tell_behind();
        for (auto& [where, tasks] : sites_) {
            if (options_.allowed != nullptr)
                std::erase_if(tasks, [this](const suspect& one) { return allows(one); });
            if (tasks.empty()) continue;
            std::ranges::sort(tasks);
            add(std::get<verdict>(where), tasks);
        }
        std::ranges::move(suspicions_, std::back_inserter(findings_));
        return std::move(findings_);
    }

    [[nodiscard]] std::size_t tasks() const { return edges_.task_count; }
    [[nodiscard]] std::size_t count(bool wait_edges::node::* what) const {
        return static_cast<std::size_t>(
            std::count_if(edges_.nodes.begin(),
                          edges_.nodes.begin() + static_cast<std::ptrdiff_t>(edges_.task_count),
                          [&](const wait_edges::node& node) { return node.*what; }));
    }
    [[nodiscard]] std::string take_behind() { return std::move(behind_); }

private:
    [[nodiscard]] bool allows(const suspect& one) const {
        return options_.allowed->allows(detail::subject_of(loop_, *one.task));
    }
    void add_cycle(verdict what, const std::vector<std::uint32_t>& cycle) {
        std::vector<suspect> tasks;
        tasks.reserve(cycle.size());
        for (const std::uint32_t node : cycle) {
            in_cycle_[node] = true;
            tasks.emplace_back(*edges_.nodes[node].task);
        }
        if (options_.allowed != nullptr &&
            std::ranges::all_of(tasks, [this](const suspect& one) { return allows(one); }))
            return;
        add(what, tasks);
    }
    /// Most guards that were moved are still with their task: in a member, out of a function.
    void find_likely_cycles() {
        wait_edges stay(loop_, true);
        stay.mark_alive(moves_);
        for (const std::vector<std::uint32_t>& cycle : stay.cycles())
            // What is stuck has its proof.
            if (std::ranges::all_of(cycle, [&](auto node) { return edges_.nodes[node].alive; }))
                add_cycle(verdict::likely_cycle, cycle);
    }
    void judge(const wait_edges::node& node) {
        const task_record& task = *node.task;
        if (!node.alive) {
            if (node.first != node.last) return consequences_.push_back(node.task);
            file(node.gone ? verdict::orphan : verdict::quiescent, task);
            return;
        }
        const instant age = now_ - task.wait->since();
        if (node.held && node.first == node.last)
            file(verdict::holder_gone, task);
        else if (age >= options_.unwind_max.count() && unwinds_late(node))
            file(verdict::unwinds_late, task);
        else if (age >= options_.drain_max.count() && task.scope->draining() && !joins(node) &&
                 !serves(task))
            file(verdict::drains_late, task);
        else if (age >= options_.age_max.count())
            file(verdict::too_old, task);
    }
    // Its children are reported themselves.
    [[nodiscard]] bool joins(const wait_edges::node& node) const {
        return node.first != node.last && edges_.nodes[edges_.targets[node.first]].all;
    }
    [[nodiscard]] bool unwinds_late(const wait_edges::node& node) const {
        if (joins(node)) return false;
        return node.task->scope->cancelled() || shielded_from_cancel(*node.task);
    }
    /// Those who wait behind somebody who is stuck: no cause, but a user looks for them.
    void tell_behind() {
        const std::size_t count = consequences_.size();
        if (count == 0) return;
        detail::wait_text text(loop_, now_);
        text.begin_behind(count);
        for (std::size_t i = 0; i < std::min(count, shown_max); ++i)
            text.task(*consequences_[i], false);
        if (count > shown_max) text.more(count - shown_max);
        behind_ = text.take();
    }
    void file(verdict what, const task_record& task) {
        const std::source_location where = rf::detail::user_line(task);
        const site key{what, where.file_name(), where.line()};
        // As a rule it is the line of the one before.
        if (last_site_ == nullptr || last_site_->first != key)
            last_site_ = &*sites_.try_emplace(key).first;
        last_site_->second.emplace_back(task);
    }

    void add(verdict what, const std::vector<suspect>& tasks) {
        wait_finding& made = (is_proof(what) ? findings_ : suspicions_).emplace_back();
        made.what = what;
        made.shard = rf::detail::shard_index(loop_);
        made.where = rf::detail::user_line(*tasks.front().task);
        made.tasks.reserve(tasks.size());
        instant youngest = 0;
        for (const suspect& one : tasks) {
            made.tasks.push_back(one.number);
            youngest = std::max(youngest, one.since);
        }
        made.age = std::chrono::nanoseconds(now_ - youngest);
        detail::wait_text text(loop_, now_);
        text.begin(what, tasks.size(), made.where);
        // A few are shown, and of a long circle the first few tell: describing all would take
        // longer than the proof.
        std::vector<const task_record*> some;
        for (std::size_t i = 0; i < std::min(tasks.size(), 2 * shown_max); ++i)
            some.push_back(tasks[i].task);
        for (std::size_t i = 0; i < std::min(some.size(), shown_max); ++i)
            text.task(*some[i], what != verdict::cycle && what != verdict::likely_cycle);
        if (tasks.size() > shown_max) text.more(tasks.size() - shown_max);
        text.advise(what, some);
        made.text = text.take();
    }

    const loop& loop_;
    const wait_graph_options& options_;
    wait_edges edges_;
    instant now_;
    bool moves_;  // anything can still happen outside of the tasks
    std::vector<bool> in_cycle_;
    std::vector<const task_record*> consequences_;
    std::string behind_;
    std::map<site, std::vector<suspect>> sites_;
    std::pair<const site, std::vector<suspect>>* last_site_ = nullptr;  // of sites_
    std::vector<wait_finding> findings_;
    // Are put behind the proofs.
    std::vector<wait_finding> suspicions_;
};

}  // namespace

std::string_view to_string(verdict what) noexcept {
    switch (what) {
    case verdict::cycle: return "cycle";
    case verdict::orphan: return "orphan";
    case verdict::quiescent: return "quiescent";
    case verdict::likely_cycle: return "likely cycle";
    case verdict::holder_gone: return "holder gone";
    case verdict::too_old: return "too old";
    case verdict::unwinds_late: return "unwinds late";
    case verdict::drains_late: return "drains late";
    }
    return "unknown";
}

wait_graph::wait_graph(const wait_graph_options& options) : wait_graph(loop::here(), options) {}

wait_graph::wait_graph(const loop& of, const wait_graph_options& options) {
    finder found(of, options);
    findings_ = found.run();
    tasks_ = found.tasks();
    waiting_ = found.count(&wait_edges::node::waits);
    stuck_ = tasks_ - found.count(&wait_edges::node::alive);
    behind_ = found.take_behind();
}

std::string wait_graph::report() const {
    std::string text;
    for (const wait_finding& finding : findings_)
        text += finding.text;
    return findings_.empty() ? text : text + behind_;
}

}  // namespace rf::leakcheck
