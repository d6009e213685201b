// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/resource.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <unordered_map>

namespace rf {
class loop;
}

namespace rf::detail {

/// The async stack of `task`, with its labels. Null if memory is lacking.
[[nodiscard]] std::shared_ptr<const opening_stack> stack_of(const task_record& task) noexcept;

/// Who opened what a loop has in hand, with the async stacks: what the ledger and the counts leave
/// out, because it costs an allocation or two each. Kept only while somebody asks for it
/// (loop::keep_openings()), and only of what is opened meanwhile.
///
/// A thing is told by its class and a number: a task's, a buffer's, the address of a request or of
/// an entry in the ledger.
///
/// Threads: one loop. Cost: memory in proportion to what is open, and tasks that ended since the
///   last look at them, at most as many again.
class openings {
public:
    /// The calling task opens it now. Where there is no task, nothing is kept. `line`, if it has
    /// one, is put in place of the innermost.
    void note(resource_kind kind, std::uint64_t number, std::source_location line = {}) noexcept;
    void forget(resource_kind kind, std::uint64_t number) noexcept;

    /// Null if it is not known.
    [[nodiscard]] std::shared_ptr<const opening_stack> find(resource_kind kind,
                                                            std::uint64_t number) const;

    /// Calls `visit(const resource&)` for each request that the kernel holds.
    void list_operations(const resource_visitor& visit) const;

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

private:
    struct key {
        resource_kind kind;
        std::uint64_t number;
        friend bool operator==(const key&, const key&) = default;
    };
    struct key_hash {
        [[nodiscard]] std::size_t operator()(const key& one) const noexcept {
            const std::uint64_t mixed =
                (one.number * 8 + static_cast<std::uint64_t>(one.kind)) * 0x9e37'79b9'7f4a'7c15U;
            return static_cast<std::size_t>(mixed >> 16);
        }
    };
    struct entry {
        std::uint64_t task;
        std::uint32_t guard;
        std::shared_ptr<const opening_stack> stack;
    };
    void forget_ended_tasks(const loop& owner);

    std::unordered_map<key, entry, key_hash> entries_;
    std::size_t tasks_ = 0;         // entries of that class
    std::size_t tasks_max_ = 1024;  // then those that have ended are looked for
};

}  // namespace rf::detail
