// SPDX-License-Identifier: MIT
#include <ringfence/sync/mutex.hpp>

#include <fmt/format.h>

namespace rf::sync {

void mutex::hand_over() noexcept {
    auto& next = static_cast<detail::mutex_wait&>(waiters_.pop(identity_));
    own(next.task_id(), next.where());
    ++contended_;
    next.grant();
}

void mutex::describe(wait_description& out) const {
    identity_.describe(out, "lock", "be unlocked");
    out.object = this;
    out.owner = detail::owner_text(owner_, "locked it", locked_at_);
    out.owner_task = detail::known_owner(owner_);
}

void mutex::refuse_destruction() const noexcept {
    detail::misused(identity_, fmt::format("it was destroyed while task {} holds it, which locked "
                                           "it at {}:{}; it has to outlive its guards",
                                           owner(), locked_at_.file_name(), locked_at_.line())
                                   .c_str());
}

}  // namespace rf::sync
