// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace rf::leakcheck::detail {

/// The wait-for graph as numbers. Nodes are tasks, and groups of children: a join waits for all of
/// a group, a place in a nursery for any.
struct wait_edges {
    struct node {
        const rf::detail::task_record* task = nullptr;  // null: a group
        std::uint64_t number = 0;                       // the task's
        std::uint32_t first = 0;                        // its edges, in `targets`
        std::uint32_t last = 0;
        bool waits = false;
        bool all = false;      // a group of which all have to end
        bool anybody = false;  // somebody unknown could end it
        bool outside = false;  // the kernel, the clock, a thread could
        bool gone = false;     // somebody who could have has ended
        bool held = false;     // and that was the holder of something
        bool alive = false;    // it can go on
    };

    std::vector<node> nodes;
    std::vector<std::uint32_t> targets;
    std::size_t task_count = 0;  // the first so many nodes
    bool moved = false;          // somebody waits for a guard that was moved

    /// Reads the tasks and waits of `of`. A guard that was moved may be with anybody, or, if
    /// `guards_stay`, is taken to be with the task still that took it.
    explicit wait_edges(const loop& of, bool guards_stay = false);

    /// Marks what can go on. `moves`: whether anything can still happen outside of the tasks.
    void mark_alive(bool moves);

    /// The cycles among what is not alive, each as nodes in order, each edge leading to the next.
    [[nodiscard]] std::vector<std::vector<std::uint32_t>> cycles() const;
};

/// Whether a deadline will end the wait of `task`.
[[nodiscard]] bool has_deadline(const rf::detail::task_record& task) noexcept;

/// Calls `visit(const task_record&)` for each live task of `of`, without recursion.
template <class Visit>
void for_each_task(const loop& of, Visit&& visit) {
    std::vector<const rf::detail::scope_node*> todo{&of.root()};
    while (!todo.empty()) {
        const rf::detail::scope_node* scope = todo.back();
        todo.pop_back();
        scope->tasks.for_each([&](const rf::detail::task_record& task) { visit(task); });
        scope->children.for_each(
            [&](const rf::detail::scope_node& child) { todo.push_back(&child); });
    }
}

/// The live task with that number, or null. Linear in tasks.
[[nodiscard]] const rf::detail::task_record* find_task(const loop& of, std::uint64_t number);

}  // namespace rf::leakcheck::detail
