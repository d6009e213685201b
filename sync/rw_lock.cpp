// SPDX-License-Identifier: MIT
#include <ringfence/sync/rw_lock.hpp>

#include <fmt/format.h>

#include <string>

namespace rf::sync {

void rw_lock::admit() noexcept {
    while (!waiters_.empty()) {
        auto& oldest = static_cast<place&>(waiters_.front());
        if (!free_for(oldest.exclusive())) return;
        // Owned before it is granted: a grant decides a select, which may call this again.
        own(oldest.exclusive(), oldest.task_id(), oldest.where());
        ++contended_;
        waiters_.pop(identity_).grant();
    }
}

void rw_lock::describe(wait_description& out, bool exclusive) const {
    identity_.describe(out, "lock", exclusive ? "be unlocked" : "be unlocked for readers");
    out.object = this;
    if (writer_ != 0) {
        out.owner = fmt::format("task {}, which locked it at {}:{}", writer_,
                                locked_at_.file_name(), locked_at_.line());
        out.owner_task = writer_;
    } else {
        out.owner_task = only_reader();
        out.owner = out.owner_task != 0 ? fmt::format("task {}, its only reader", out.owner_task)
                                        : fmt::format("its {} readers", readers_);
    }
}

void rw_lock::tell_owners(wait_owners& out, const place& waiting) noexcept {
    auto& oldest = static_cast<place&>(waiters_.front());
    if (writer_ != 0)
        out.holder(writer_);
    else if (&oldest != &waiting)
        out.task(oldest.task_id());  // in line before it
    else if (only_reader() != 0)
        out.holder(only_reader());
    else
        out.anybody();  // of its readers
}

void rw_lock::refuse_destruction() const noexcept {
    const std::string holder = writer_ != 0
                                   ? fmt::format("task {} holds it, which locked it at {}:{}",
                                                 writer_, locked_at_.file_name(), locked_at_.line())
                                   : fmt::format("{} readers hold it", readers_);
    detail::misused(
        identity_,
        fmt::format("it was destroyed while {}; it has to outlive its guards", holder).c_str());
}

}  // namespace rf::sync
