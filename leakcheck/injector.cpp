// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/detail/injector.hpp>

#include <ringfence/leakcheck/detail/wait_edges.hpp>
#include <ringfence/runtime/detail/async_stack.hpp>
#include <ringfence/runtime/detail/nursery_core.hpp>
#include <ringfence/runtime/detail/user_line.hpp>
#include <ringfence/runtime/loop.hpp>

#include <fmt/format.h>

#include <charconv>

namespace rf::leakcheck::detail {
namespace {

using rf::detail::scope_kind;
using rf::detail::scope_node;
using rf::detail::task_record;
using rf::detail::task_state;

/// Whether somebody outside of the library could cancel this scope.
bool reachable(const scope_node& scope) {
    switch (scope.kind()) {
    case scope_kind::scope: return true;
    // Their time being over is an exception, which a build without exceptions could only die of.
    case scope_kind::timeout:
    case scope_kind::shield: return RF_EXCEPTIONS;
    case scope_kind::nursery: {
        const char* name = scope.nursery != nullptr ? scope.nursery->name() : nullptr;
        const std::string_view known = name != nullptr ? name : "";
        return known != "when_all" && known != "for_each_concurrent" && known != "map_concurrent";
    }
    case scope_kind::root:
    case scope_kind::services:
    case scope_kind::race: return false;
    }
    return false;
}

scope_node& own_scope(const task_record& task, scope_node& outer) {
    for (scope_node* scope = task.scope; scope != nullptr && scope != &outer;
         scope = scope->parent())
        if (reachable(*scope)) return *scope;
    return outer;
}

}  // namespace

std::string injection_plan::text() const {
    return fmt::format("c{}.{}.{}.{}.{}.{}", static_cast<std::uint32_t>(when),
                       static_cast<std::uint32_t>(from), point, step, opcode, code);
}

std::optional<injection_plan> injection_plan::parse(std::string_view text) {
    if (text.empty() || text.front() != 'c') return {};
    std::int32_t numbers[6] = {};
    for (std::int32_t& number : numbers) {
        text.remove_prefix(1);
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc()) return {};
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        const bool last = &number == &numbers[5];
        if (last != text.empty() || (!last && text.front() != '.')) return {};
    }
    injection_plan made;
    made.when = static_cast<injection>(numbers[0]);
    made.from = static_cast<injection>(numbers[1]);
    made.point = static_cast<std::uint32_t>(numbers[2]);
    made.step = static_cast<std::uint32_t>(numbers[3]);
    made.opcode = static_cast<std::uint8_t>(numbers[4]);
    made.code = numbers[5];
    return made;
}

void injector::before(task_record& task) {
    running_ = task.id;
    ++step_;
    if (plan_.when == injection::before_submit && step_ == plan_.step) deliver(task);
}

void injector::after() {
    if (outer_ == nullptr) return;
    auto* const task = const_cast<task_record*>(find_task(loop::here(), running_));
    if (task == nullptr || (task->state != task_state::waiting && task->state != task_state::ready))
        return;
    const auto number = static_cast<std::uint32_t>(awaits_.size());
    awaits_.push_back({task->id, step_, rf::detail::user_line(*task)});
    if (victim_ == task->id) {
        victim_ = 0;
        ++delivered_;
        cancel_all();
        return;
    }
    const bool waits = plan_.when == injection::cancel_wins ||
                       plan_.when == injection::completion_wins ||
                       plan_.when == injection::in_cleanup;
    if (!waits || number != plan_.point) return;
    if (plan_.when == injection::in_cleanup) victim_ = task->id;
    deliver(*task);
}

void injector::deliver(task_record& task) {
    if (outer_ == nullptr) return;
    if (plan_.when != injection::in_cleanup) ++delivered_;
    if (plan_.from == injection::by_parent) return cancel_all();
    scope_node& scope = own_scope(task, *outer_);
    // Nobody but their own clock ends these.
    const bool timed = scope.kind() == scope_kind::timeout || scope.kind() == scope_kind::shield;
    const bool late = timed || plan_.from == injection::by_deadline;
    if (&scope == outer_) cancelled_at_ = loop::here().cached_now();
    scope.cancel(late ? cancel_cause::deadline : cancel_cause::requested, "an injected cancel",
                 std::source_location::current());
}

void injector::cancel_all() {
    cancelled_at_ = loop::here().cached_now();
    outer_->cancel(cancel_cause::requested, "an injected cancel", std::source_location::current());
}

choices injector::decisions() {
    return choices::decided_by(
        [this](choice what, std::uint32_t count) { return decide(what, count); });
}

std::uint32_t injector::decide(choice what, std::uint32_t count) {
    switch (what) {
    case choice::short_transfer: {
        // Asked whether, and if so, how: the second answer is "a single byte".
        const std::uint32_t number = ++transfers_;
        if (plan_.when != injection::short_transfer) return 0;
        const bool one = number == plan_.point || number == plan_.point + 1;
        return plan_.point == 0 || one ? 1 : 0;
    }
    // The newest request first: a cancel then overtakes what it is aimed at.
    case choice::order:
        return plan_.when == injection::cancel_wins && delivered_ != 0 ? count - 1 : 0;
    case choice::race: return plan_.when == injection::completion_wins ? 1 % count : 0;
    default: return 0;
    }
}

}  // namespace rf::leakcheck::detail
