// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/cancel_scope.hpp>

namespace rf {

/// Runs `work` until it ends or the scope begins to drain, in which case it is cancelled: for what
/// takes on new work. Its value, or nothing if the drain came first.
///
///     co_await rf::until_drained([&] { return accept_connections(listener); });
///
/// Whoever calls this listens for drains: the first stop signal of rf::run then drains the program
/// in place of cancelling it. Cancellation from outside unwinds through.
template <detail::work W>
[[nodiscard]] task<if_finished<detail::work_result<W>>> until_drained(
    W work, std::source_location where = std::source_location::current());

// Implementation

namespace detail {

/// Cancels a scope when it is told to drain.
class drain_cancels {
public:
    explicit drain_cancels(scope_node& node) noexcept {
        hook_.node = &node;
        hook_.on_event = [](scope_hook& hook) noexcept {
            cancel(*static_cast<node_hook&>(hook).node);
        };
        ++loop::here().drain_listeners;
        if (slot.current->scope->draining())
            cancel(node);
        else
            node.on_drain.push_back(hook_);
    }
    drain_cancels(const drain_cancels&) = delete;
    drain_cancels& operator=(const drain_cancels&) = delete;
    ~drain_cancels() {
        if (hook_.linked()) hook_.unlink();
        --loop::here().drain_listeners;
    }

private:
    struct node_hook : scope_hook {
        scope_node* node = nullptr;
    };
    static void cancel(scope_node& node) noexcept {
        node.cancel(cancel_cause::finished, "draining", node.opened());
    }
    node_hook hook_;
};

}  // namespace detail

template <detail::work W>
task<if_finished<detail::work_result<W>>> until_drained(W work, std::source_location where) {
    detail::scope_node node(detail::scope_kind::scope, where);
    detail::drain_cancels hook(node);
    co_return co_await detail::run_under<W>(node, work);
}

}  // namespace rf
