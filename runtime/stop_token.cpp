// SPDX-License-Identifier: MIT
#include <ringfence/runtime/stop_token.hpp>

#include <ringfence/runtime/this_task.hpp>

namespace rf::this_task {

std::stop_token stop_token() {
    detail::scope_node& scope = *detail_here::current().scope;
    // A cancel_scope may run again after a cancel from outside; its old token stays triggered.
    const bool spent = scope.stop != nullptr && scope.stop->source.stop_requested();
    if (scope.stop == nullptr || (spent && !scope.cancelled())) {
        scope.stop = std::make_unique<detail::stop_hook>();
        scope.on_cancel.push_back(*scope.stop);
    }
    // A scope that is cancelled, or was attached below one that is, tells no hooks any more.
    if (scope.cancelled()) scope.stop->source.request_stop();
    return scope.stop->source.get_token();
}

}  // namespace rf::this_task
