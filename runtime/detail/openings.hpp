// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/task_record.hpp>
#include <ringfence/runtime/resource.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <unordered_map>
#include <vector>

namespace rf {
class loop;
}

namespace rf::detail {

class nursery_core;

/// The async stack of `task`, with its labels. Null if memory is lacking.
[[nodiscard]] std::shared_ptr<const opening_stack> stack_of(const task_record& task) noexcept;

/// Who opened what a loop has in hand, with the async stacks: what the ledger and the counts leave
/// out, because it costs an allocation or two each. Kept only while somebody asks for it
/// (loop::keep_openings()), and only of what is opened meanwhile.
///
/// A thing is told by its class and a number: a task's, a buffer's, the address of a request, of a
/// timer or of an entry in the ledger.
///
/// Each also keeps which nurseries its task was in, and hears when those close: what is then still
/// open has outlived them. That alone is no fault, for a child may hand what it opened to whoever
/// is outside; of a leak it says where it got away.
///
/// Threads: one loop. Cost: memory in proportion to what is open, the nurseries it was opened in,
///   and tasks that ended since the last look at them, at most as many again.
class openings {
public:
    /// The calling task opens it now. Where there is no task, nothing is kept. `line`, if it has
    /// one, is put in place of the innermost.
    void note(resource_kind kind, std::uint64_t number, std::source_location line = {}) noexcept;
    void forget(resource_kind kind, std::uint64_t number) noexcept;

    /// The nursery is about to close.
    void nursery_closes(const nursery_core& which, instant now) noexcept;
    /// Hears the numbers of nurseries that close, if something was opened inside. Must not throw.
    std::function<void(std::uint64_t number)> on_nursery_closed;

    /// Who opened it, if that is known: the stack, the nurseries it was opened in, and which of
    /// these it has outlived.
    void add_to(resource& to, std::uint64_t number) const;

    /// Calls `visit(const resource&)` for each request that the kernel holds, and for each
    /// object_timer that is armed.
    void list(const resource_visitor& visit) const;

    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
    /// Nurseries that something was opened in.
    [[nodiscard]] std::size_t nurseries_open() const noexcept { return open_nurseries_.size(); }

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
    struct around {
        outlived_nursery nursery;
        const nursery_core* open = nullptr;  // null: it has closed
    };
    using nurseries = std::vector<std::shared_ptr<around>>;  // innermost first
    struct entry {
        std::uint64_t task;
        std::uint32_t guard;
        std::shared_ptr<const opening_stack> stack;
        nurseries inside;
        instant since;
    };
    [[nodiscard]] nurseries nurseries_around(const task_record& task);
    void forget_ended_tasks(const loop& owner);

    std::unordered_map<key, entry, key_hash> entries_;
    std::unordered_map<const nursery_core*, std::shared_ptr<around>> open_nurseries_;
    std::uint64_t nurseries_seen_ = 0;
    std::size_t tasks_ = 0;         // entries of that class
    std::size_t tasks_max_ = 1024;  // then those that have ended are looked for
};

}  // namespace rf::detail
