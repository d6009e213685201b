// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/durations.hpp>
#include <ringfence/runtime/detail/task_image.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace rf::detail {

/// Copies the task tree of a loop, in steps between which tasks may run.
///
/// Every task that lived when the walk began is copied exactly once, as it is when the walk comes
/// to it, unless it ends before. One that moves to another scope is copied as it leaves: otherwise
/// it could go from where the walk has not been to where it has. Tasks that were started since are
/// left out, so that the walk ends however many come.
///
/// The place that the walk has reached is kept right by those who take tasks and scopes out of the
/// tree: they look at slot.walk. So there can be one such walk a loop at a time.
///
/// Lifetime: within that of the loop. Threads: the loop's.
/// Cost: some 200 ns a task that waits, most of it for the words of its wait; allocates.
class image_builder {
public:
    /// Of `top` and what is inside it.
    image_builder(const loop& of, const scope_node& top);
    image_builder(const image_builder&) = delete;
    image_builder& operator=(const image_builder&) = delete;
    ~image_builder();

    /// Copies for about that long. Returns whether something is left.
    [[nodiscard]] bool advance(std::chrono::nanoseconds at_most);

    /// Ends the walk.
    [[nodiscard]] std::unique_ptr<loop_image> take() noexcept;

    // For those who change the tree.
    void task_moves(const task_record& task) noexcept;
    void task_ends(const task_record& task) noexcept;
    void scope_leaves(const scope_node& scope) noexcept;

private:
    void enter(const scope_node* scope);
    void step();
    void copy(const task_record& task);
    void copy_labels(const task_record& task, task_image& into);
    void copy_frames(const task_record& task, task_image& into);
    [[nodiscard]] std::uint32_t place_of(const scope_node& scope);
    [[nodiscard]] bool is_new(std::uint64_t id) noexcept;

    struct free_memory {
        void operator()(void* block) const noexcept;
    };

    const loop& loop_;
    const scope_node& top_;
    std::unique_ptr<loop_image> image_;
    const scope_node* at_ = nullptr;   // the scope that the walk is in; null: at its end
    const list_hook* next_ = nullptr;  // the next of its tasks, or the end mark
    const std::uint64_t last_id_;      // of the tasks that lived at the beginning
    wait_description words_;           // kept for the memory of its strings
    std::size_t seen_mask_;
    std::unique_ptr<std::uint64_t[], free_memory> seen_;  // numbers of the tasks copied, hashed
};

/// The image of `top` and what is inside it, made at once: nothing else runs meanwhile. A walk that
/// is under way is brought to its end first.
[[nodiscard]] std::unique_ptr<loop_image> image_at_once(const loop& of, const scope_node& top);

}  // namespace rf::detail
