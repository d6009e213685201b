// SPDX-License-Identifier: MIT
#include <ringfence/runtime/detail/scope_node.hpp>

#include <ringfence/runtime/detail/image_builder.hpp>
#include <ringfence/runtime/flight_recorder.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/stop_token.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <algorithm>

namespace rf {

const char* to_string(cancel_cause cause) noexcept {
    switch (cause) {
    case cancel_cause::none: return "not cancelled";
    case cancel_cause::requested: return "cancelled on request";
    case cancel_cause::deadline: return "deadline passed";
    case cancel_cause::parent: return "cancelled from outside";
    case cancel_cause::child_failed: return "a sibling failed";
    case cancel_cause::finished: return "no longer needed";
    case cancel_cause::drain_expired: return "drain took too long";
    }
    return "unknown";
}

namespace detail {
scope_node::scope_node(scope_kind kind, std::source_location opened) noexcept
    : opened_(opened), kind_(kind) {
    timer_.owner = this;
    timer_.on_fire = &scope_node::deadline_passed;
}

scope_node::~scope_node() {
    RF_ASSERT(tasks.empty() && children.empty(),
              "a scope was destroyed with tasks or scopes still inside it");
    if (linked() || timer_.armed()) detach();
}

void scope_node::attach(scope_node* parent, task_record* host) noexcept {
    parent_ = parent;
    host_ = host;
    if (parent == nullptr) return;
    parent->children.push_back(*this);
    // Anew, for a cancel_scope may have run before, inside what was cancelled around it.
    draining_ = parent->draining_;
    cancelled_ = cancelled_here() || (parent->cancelled_ && !shielded());
    if (deadline_ != instant_never) set_deadline(deadline_);
}

void scope_node::detach() noexcept {
    if (timer_.armed()) loop::here().timers().cancel(timer_);
    if (linked() && slot.walk != nullptr) [[unlikely]]
        slot.walk->scope_leaves(*this);
    if (linked()) unlink();
}

std::string_view scope_node::reason() const noexcept {
    if (literal_reason_ != nullptr) return literal_reason_;
    return reason_ ? std::string_view(*reason_) : std::string_view{};
}

void scope_node::set_deadline(instant deadline) noexcept {
    deadline_ = deadline;
    loop* owner = loop::current();
    if (owner == nullptr) return;  // armed when attached
    if (timer_.armed()) owner->timers().cancel(timer_);
    if (deadline == instant_never || cancelled_here()) return;
    if (deadline <= owner->now()) {
        // A deadline that has passed must not wait for a turn of the loop.
        cancel(cancel_cause::deadline, {}, opened_);
        return;
    }
    owner->timers().arm(timer_, deadline);
}

void scope_node::deadline_passed(timer& fired) noexcept {
    scope_node& node = *static_cast<deadline_timer&>(fired).owner;
    node.cancel(cancel_cause::deadline, std::string_view(), node.opened_);
}

instant scope_node::effective_deadline() const noexcept {
    instant earliest = instant_never;
    for (const scope_node* node = this; node != nullptr; node = node->parent_) {
        earliest = std::min(earliest, node->deadline_);
        if (node->shielded()) break;
    }
    return earliest;
}

const scope_node* scope_node::cancelled_by() const noexcept {
    for (const scope_node* node = this; node != nullptr; node = node->parent_) {
        if (node->cancelled_here()) return node;
        if (node->shielded()) break;
    }
    return nullptr;
}

// The node after this one in a walk of everything below `root`, parents first, without recursion.
// `enter` false skips what is below this node.
scope_node* scope_node::next_below(const scope_node* root, bool enter) noexcept {
    if (enter && !children.empty()) return &children.front();
    for (scope_node* node = this; node != root; node = node->parent_) {
        // The head of the parent's list is the hook that is not a node.
        list_hook* sibling = node->next;
        if (!node->parent_->children.is_head(sibling)) return static_cast<scope_node*>(sibling);
    }
    return nullptr;
}

void scope_node::cancel(cancel_cause cause, std::string_view reason,
                        std::source_location where) noexcept {
    RF_ASSERT(!linked() || loop::current() != nullptr,
              "a scope was cancelled from a thread that does not run its loop; post to its loop "
              "instead");
    if (cancelled_here()) return;
    cause_ = cause;
    cancelled_at_ = where;
    if (const loop* owner = loop::current(); owner != nullptr) {
        cancelled_since_ = owner->cached_now();
        if (flight_recorder* flight = owner->flight(); flight != nullptr)
            flight->note(flight_event::cancels, slot.current != nullptr ? slot.current->id : 0,
                         where, owner->cached_now());
    }
    if (!reason.empty()) reason_ = std::make_unique<std::string>(reason);
    if (timer_.armed()) loop::here().timers().cancel(timer_);
    if (cancelled_) return;  // the scopes around it were, and so everything below it is

    // First mark the whole subtree, then ask waits to end, and only then call hooks, which may run
    // user code and change the tree.
    intrusive_list<scope_hook> hooks;
    for (scope_node* node = this; node != nullptr;) {
        const bool skip = node != this && (node->shielded() || node->cancelled_);
        if (!skip) {
            node->cancelled_ = true;
            node->tasks.for_each([](task_record& task) { waiter::ask_to_end(task); });
            hooks.splice_back(node->on_cancel);
        }
        node = node->next_below(this, !skip);
    }
    while (!hooks.empty()) {
        scope_hook& hook = hooks.pop_front();
        hook.on_event(hook);
    }
}

void scope_node::drain() noexcept {
    intrusive_list<scope_hook> hooks;
    for (scope_node* node = this; node != nullptr; node = node->next_below(this, true)) {
        node->draining_ = true;
        node->tasks.for_each([](task_record& task) { waiter::tell_of_drain(task); });
        hooks.splice_back(node->on_drain);
    }
    while (!hooks.empty()) {
        scope_hook& hook = hooks.pop_front();
        hook.on_event(hook);
    }
}

}  // namespace detail
}  // namespace rf
