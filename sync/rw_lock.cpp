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
        out.owner = detail::owner_text(writer_, "locked it", locked_at_);
        out.owner_task = detail::known_owner(writer_);
    } else if (const std::uint64_t reader = only_reader(); reader != 0) {
        out.owner_task = detail::known_owner(reader);
        out.owner = out.owner_task != 0
                        ? fmt::format("task {}, its only reader", reader)
                        : fmt::format("its only reader, who has the guard that task {} has moved",
                                      detail::taker(reader));
    } else {
        out.owner = fmt::format("its {} readers", readers_);
    }
}

void rw_lock::tell_owners(wait_owners& out, const place& waiting) noexcept {
    auto& oldest = static_cast<place&>(waiters_.front());
    if (writer_ != 0)
        detail::tell_owner(out, writer_);
    else if (&oldest != &waiting)
        out.task(oldest.task_id());  // in line before it
    else if (only_reader() != 0)
        detail::tell_owner(out, only_reader());
    else
        out.anybody();  // of its readers
}

void rw_lock::refuse_destruction() const noexcept {
    const std::string holder =
        writer_ != 0 ? fmt::format("task {} holds it, which locked it at {}:{}", writer(),
                                   locked_at_.file_name(), locked_at_.line())
                     : fmt::format("{} readers hold it", readers_);
    detail::misused(
        identity_,
        fmt::format("it was destroyed while {}; it has to outlive its guards", holder).c_str());
}

}  // namespace rf::sync
