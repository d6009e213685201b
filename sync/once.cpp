// SPDX-License-Identifier: MIT
#include <ringfence/sync/once.hpp>

#include <fmt/format.h>

namespace rf::sync {

once::~once() {
    waiters_.require_empty(identity_);
    if (owner_ != 0)
        detail::misused(identity_,
                        fmt::format("it was destroyed while task {} does its work, "
                                    "begun at {}:{}; it has to outlive its callers",
                                    detail::taker(owner_), begun_at_.file_name(), begun_at_.line())
                            .c_str());
}

void once::finish() noexcept {
    done_ = true;
    owner_ = 0;
    while (!waiters_.empty())
        waiters_.pop(identity_).grant();
}

void once::give_up() noexcept {
    owner_ = 0;
    if (waiters_.empty()) return;
    auto& next = static_cast<begin_awaiter&>(waiters_.pop(identity_));
    own(next.task_id(), next.where_);
    next.mine_ = true;
    next.grant();
}

void once::describe(wait_description& out) const {
    identity_.describe(out, "once", "be done");
    out.object = this;
    out.owner = detail::owner_text(owner_, "began", begun_at_);
    out.owner_task = detail::known_owner(owner_);
}

}  // namespace rf::sync
