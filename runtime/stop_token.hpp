// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/scope_node.hpp>

#include <stop_token>

namespace rf {

namespace detail {

/// Passes the cancel of a scope on to a std::stop_source. Owned by the scope.
struct stop_hook : scope_hook {
    std::stop_source source;

    stop_hook() {
        on_event = [](scope_hook& hook) noexcept {
            static_cast<stop_hook&>(hook).source.request_stop();
        };
    }
    ~stop_hook() { unlink(); }
};

}  // namespace detail

namespace this_task {

/// A std::stop_token that is triggered when the scope the task is in now is cancelled: for foreign
/// code that asks a token, and for std::stop_callback.
///
///     std::stop_token token = rf::this_task::stop_token();
///     co_await rf::offload([&] { return crunch(data, token); });
///
/// The token is the scope's: it is triggered by the same cancel as the task's waits, after those
/// have been asked to end. A scope that ends without having been cancelled never triggers it. In a
/// scope that is cancelled already it is triggered from the start.
///
/// Threads: call it in a task. The token goes to any thread; callbacks run on the loop's thread,
///   inside the cancel: they must be short, must not throw and cannot wait.
/// Lifetime: the token may outlive the task and the loop.
/// Cost: the first call in a scope allocates, later ones walk to it.
[[nodiscard]] std::stop_token stop_token();

}  // namespace this_task
}  // namespace rf
