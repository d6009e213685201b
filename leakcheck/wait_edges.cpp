// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/wait_edges.hpp>

#include <ringfence/runtime/wait_owners.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <algorithm>
#include <bit>
#include <span>
#include <unordered_map>
#include <utility>

namespace rf::leakcheck::detail {
namespace {

using rf::detail::nursery_core;
using rf::detail::scope_node;
using rf::detail::task_record;
using rf::detail::task_state;

constexpr std::uint32_t none = ~std::uint32_t{0};

constexpr std::size_t prefetched_ahead = 8;

/// Task number -> node. Where the numbers are close together, as a loop gives them out, an array;
/// else open addressing, a third of the time of std::unordered_map.
class number_table {
public:
    explicit number_table(std::span<const wait_edges::node> tasks) {
        std::uint64_t last = 0;
        first_ = ~std::uint64_t{0};
        for (const wait_edges::node& one : tasks) {
            first_ = std::min(first_, one.number);
            last = std::max(last, one.number);
        }
        dense_ = !tasks.empty() && last - first_ < 4 * tasks.size() + 64;
        if (dense_)
            places_.assign(static_cast<std::size_t>(last - first_ + 1), none);
        else
            slots_.assign(std::bit_ceil(2 * tasks.size() + 16), {0, none});
        for (std::uint32_t i = 0; i < tasks.size(); ++i)
            add(tasks[i].number, i);
    }
    [[nodiscard]] std::uint32_t find(std::uint64_t number) const {
        if (dense_) {
            const std::uint64_t at = number - first_;  // wraps where it is less
            return at < places_.size() ? places_[static_cast<std::size_t>(at)] : none;
        }
        std::size_t at = place(number);
        for (; slots_[at].second != none; at = next(at))
            if (slots_[at].first == number) return slots_[at].second;
        return none;
    }

private:
    void add(std::uint64_t number, std::uint32_t node) {
        if (dense_) {
            places_[static_cast<std::size_t>(number - first_)] = node;
            return;
        }
        std::size_t at = place(number);
        while (slots_[at].second != none)
            at = next(at);
        slots_[at] = {number, node};
    }
    [[nodiscard]] std::size_t place(std::uint64_t number) const {
        return static_cast<std::size_t>((number * 0x9e37'79b9'7f4a'7c15U) >> 20) &
               (slots_.size() - 1);
    }
    [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }

    bool dense_ = false;
    std::uint64_t first_;
    std::vector<std::uint32_t> places_;                           // dense: from first_ on
    std::vector<std::pair<std::uint64_t, std::uint32_t>> slots_;  // else
};

/// Turns what waits say of their owners into edges of one node.
class edge_reader final : public wait_owners {
public:
    edge_reader(wait_edges& graph, const number_table& numbers, bool guards_stay)
        : graph_(graph), numbers_(numbers), guards_stay_(guards_stay) {}

    void read(std::uint32_t index) {
        at_ = index;
        graph_.nodes[at_].first = static_cast<std::uint32_t>(graph_.targets.size());
        graph_.nodes[at_].task->wait->owners(*this);
        graph_.nodes[at_].last = static_cast<std::uint32_t>(graph_.targets.size());
    }
    /// The children of each group that a wait has asked for.
    void read_groups() {
        std::unordered_map<const nursery_core*, std::vector<std::uint32_t>> children;
        for (const auto& [key, index] : groups_)
            children.try_emplace(key.first);
        for (std::uint32_t i = 0; i < graph_.task_count; ++i)
            if (const auto found = children.find(&home_of(*graph_.nodes[i].task));
                found != children.end())
                found->second.push_back(i);
        for (const auto& [key, index] : groups_) {
            wait_edges::node& group = graph_.nodes[index];
            group.first = static_cast<std::uint32_t>(graph_.targets.size());
            // Services go when the other children have gone.
            const bool others = key.first->size() != 0;
            for (const std::uint32_t child : children[key.first])
                if (!others || !graph_.nodes[child].task->service) graph_.targets.push_back(child);
            group.last = static_cast<std::uint32_t>(graph_.targets.size());
        }
    }

    void task(std::uint64_t id) override { edge(id, false); }
    void holder(std::uint64_t id) override { edge(id, true); }
    void handed_on(std::uint64_t id) override {
        graph_.moved = true;
        if (guards_stay_ || numbers_.find(id) == none) return edge(id, true);
        graph_.nodes[at_].anybody = true;
    }
    void every_child(const nursery_core& of) override { group(of, true); }
    void any_child(const nursery_core& of) override { group(of, false); }
    void outside() override { graph_.nodes[at_].outside = true; }
    void anybody() override { graph_.nodes[at_].anybody = true; }

private:
    struct key_hash {
        std::size_t operator()(const std::pair<const nursery_core*, bool>& key) const {
            return std::hash<const void*>()(key.first) * 2 + (key.second ? 1 : 0);
        }
    };

    void edge(std::uint64_t id, bool held) {
        if (const std::uint32_t found = numbers_.find(id); found != none) {
            graph_.targets.push_back(found);
            return;
        }
        graph_.nodes[at_].gone = true;
        graph_.nodes[at_].held |= held;
    }
    void group(const nursery_core& of, bool all) {
        const auto next = static_cast<std::uint32_t>(graph_.nodes.size());
        const auto [found, fresh] = groups_.try_emplace({&of, all}, next);
        if (fresh) {
            wait_edges::node made;
            made.waits = true;
            made.all = all;
            graph_.nodes.push_back(made);
        }
        graph_.targets.push_back(found->second);
    }

    wait_edges& graph_;
    const number_table& numbers_;
    const bool guards_stay_;
    std::uint32_t at_ = 0;
    std::unordered_map<std::pair<const nursery_core*, bool>, std::uint32_t, key_hash> groups_;
};

}  // namespace

bool has_deadline(const task_record& task) noexcept {
    // In a cancelled scope the cancel has been sent already, and did not end it.
    return !task.scope->cancelled() && task.scope->effective_deadline() != instant_never;
}

const task_record* find_task(const loop& of, std::uint64_t number) {
    const task_record* found = nullptr;
    for_each_task(of, [&](const task_record& task) {
        if (task.id == number) found = &task;
    });
    return found;
}

wait_edges::wait_edges(const loop& of, bool guards_stay) {
    nodes.reserve(of.account().tasks_live + 16);
    for_each_task(of, [&](const task_record& task) {
        node made;
        made.task = &task;
        made.number = task.id;
        made.waits = task.state == task_state::waiting;
        nodes.push_back(made);
    });
    task_count = nodes.size();
    targets.reserve(task_count + 16);
    const number_table numbers(nodes);  // only tasks so far
    edge_reader reader(*this, numbers, guards_stay);
    // Waits lie in frames all over memory: those to come are fetched meanwhile.
    for (std::uint32_t i = 0; i < task_count; ++i) {
        if (i + prefetched_ahead < task_count && nodes[i + prefetched_ahead].waits)
            __builtin_prefetch(nodes[i + prefetched_ahead].task->wait);
        if (nodes[i].waits) reader.read(i);
    }
    reader.read_groups();
}

void wait_edges::mark_alive(bool moves) {
    // Who is freed when a node turns out alive: the edges the other way round, in one array.
    std::vector<std::uint32_t> first(nodes.size() + 1, 0);
    for (const std::uint32_t target : targets)
        ++first[target + 1];
    for (std::size_t i = 1; i < first.size(); ++i)
        first[i] += first[i - 1];
    std::vector<std::uint32_t> sources(targets.size());
    std::vector<std::uint32_t> fill(first.begin(), first.end() - 1);
    for (std::uint32_t i = 0; i < nodes.size(); ++i)
        for (std::uint32_t e = nodes[i].first; e != nodes[i].last; ++e)
            sources[fill[targets[e]]++] = i;

    std::vector<std::uint32_t> blockers(nodes.size());  // of a group that needs all
    std::vector<std::uint32_t> todo;
    const auto revive = [&](std::uint32_t index) {
        if (std::exchange(nodes[index].alive, true)) return;
        todo.push_back(index);
    };
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
        const node& at = nodes[i];
        blockers[i] = at.last - at.first;
        const bool hope = at.anybody || at.outside || at.held ||
                          (at.task != nullptr && at.waits && moves && has_deadline(*at.task));
        if (!at.waits || (hope && moves) || (at.all && blockers[i] == 0)) revive(i);
    }
    while (!todo.empty()) {
        const std::uint32_t index = todo.back();
        todo.pop_back();
        for (std::uint32_t e = first[index]; e != first[index + 1]; ++e) {
            const std::uint32_t source = sources[e];
            if (!nodes[source].all || --blockers[source] == 0) revive(source);
        }
    }
}

namespace {

/// Strongly connected components, after Tarjan, without recursion: chains are as long as users
/// make them.
class component_finder {
public:
    explicit component_finder(const wait_edges& graph)
        : graph_(graph), order_(graph.nodes.size(), 0), low_(graph.nodes.size(), 0),
          on_stack_(graph.nodes.size(), false) {}

    template <class Found>
    void run(Found&& found) {
        for (std::uint32_t i = 0; i < graph_.nodes.size(); ++i)
            if (order_[i] == 0 && !graph_.nodes[i].alive) visit(i, found);
    }

private:
    struct place {
        std::uint32_t node;
        std::uint32_t edge;
    };

    void enter(std::uint32_t node) {
        order_[node] = low_[node] = ++count_;
        stack_.push_back(node);
        on_stack_[node] = true;
        path_.push_back({node, graph_.nodes[node].first});
    }

    template <class Found>
    void visit(std::uint32_t root, Found& found) {
        enter(root);
        while (!path_.empty()) {
            place& at = path_.back();
            const std::uint32_t node = at.node;
            if (at.edge != graph_.nodes[node].last) {
                const std::uint32_t target = graph_.targets[at.edge++];
                if (graph_.nodes[target].alive) continue;
                if (order_[target] == 0)
                    enter(target);
                else if (on_stack_[target])
                    low_[node] = std::min(low_[node], order_[target]);
                continue;
            }
            path_.pop_back();
            if (!path_.empty())
                low_[path_.back().node] = std::min(low_[path_.back().node], low_[node]);
            if (low_[node] == order_[node]) close(node, found);
        }
    }

    template <class Found>
    void close(std::uint32_t node, Found& found) {
        std::vector<std::uint32_t> members;
        for (std::uint32_t member = none; member != node;) {
            member = stack_.back();
            stack_.pop_back();
            on_stack_[member] = false;
            members.push_back(member);
        }
        found(members);
    }

    const wait_edges& graph_;
    std::vector<std::uint32_t> order_;
    std::vector<std::uint32_t> low_;
    std::vector<bool> on_stack_;
    std::vector<std::uint32_t> stack_;
    std::vector<place> path_;
    std::uint32_t count_ = 0;
};

/// Finds shortest cycles. Arrays for all components, so that a large one costs no hashing.
class cycle_finder {
public:
    explicit cycle_finder(const wait_edges& graph)
        : graph_(graph), component_(graph.nodes.size(), 0), came_from_(graph.nodes.size(), none) {}

    /// The shortest way from `start` back to itself inside its component; empty if there is none.
    std::vector<std::uint32_t> find(std::uint32_t start,
                                    const std::vector<std::uint32_t>& members) {
        ++number_;
        for (const std::uint32_t member : members)
            component_[member] = number_;
        std::vector<std::uint32_t> queue{start};
        for (std::size_t next = 0; next != queue.size(); ++next) {
            const std::uint32_t node = queue[next];
            for (std::uint32_t e = graph_.nodes[node].first; e != graph_.nodes[node].last; ++e) {
                const std::uint32_t target = graph_.targets[e];
                if (target == start) return way_back(node, start);
                if (component_[target] != number_ || came_from_[target] != none) continue;
                came_from_[target] = node;
                queue.push_back(target);
            }
        }
        return {};
    }

private:
    std::vector<std::uint32_t> way_back(std::uint32_t last, std::uint32_t start) const {
        std::vector<std::uint32_t> cycle;
        for (std::uint32_t at = last; at != start; at = came_from_[at])
            cycle.push_back(at);
        cycle.push_back(start);
        std::ranges::reverse(cycle);
        return cycle;
    }

    const wait_edges& graph_;
    std::vector<std::uint32_t> component_;
    std::vector<std::uint32_t> came_from_;
    std::uint32_t number_ = 0;
};

}  // namespace

std::vector<std::vector<std::uint32_t>> wait_edges::cycles() const {
    std::vector<std::vector<std::uint32_t>> all;
    cycle_finder shortest(*this);
    component_finder(*this).run([&](const std::vector<std::uint32_t>& members) {
        // Begun at a task, the one with the lowest number, so that the same deadlock reads the
        // same.
        const std::uint32_t* start = nullptr;
        for (const std::uint32_t& member : members)
            if (nodes[member].task != nullptr &&
                (start == nullptr || nodes[member].task->id < nodes[*start].task->id))
                start = &member;
        if (start == nullptr) return;
        std::vector<std::uint32_t> cycle = shortest.find(*start, members);
        std::erase_if(cycle, [&](std::uint32_t member) { return nodes[member].task == nullptr; });
        if (!cycle.empty()) all.push_back(std::move(cycle));
    });
    return all;
}

}  // namespace rf::leakcheck::detail
