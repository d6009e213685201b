// SPDX-License-Identifier: MIT
#include <ringfence/sync/semaphore.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace rf::sync {

semaphore::semaphore(std::size_t permits, std::source_location made)
    : identity_{"semaphore", made}, available_(permits), total_(permits) {
    if (permits == 0 || permits > detail::most_counts)
        RF_THROW(std::invalid_argument(fmt::format(
            "{}: a semaphore of {} permits; it needs at least 1, or nobody can ever acquire one",
            identity_.text(), static_cast<std::ptrdiff_t>(permits))));
}

semaphore::~semaphore() {
    waiters_.require_empty(identity_);
    if (available_ != total_)
        detail::misused(identity_, fmt::format("it was destroyed while {} of its {} permits are "
                                               "held; it has to outlive them",
                                               total_ - available_, total_)
                                       .c_str());
}

void semaphore::admit() noexcept {
    while (!waiters_.empty()) {
        auto& oldest = static_cast<acquire_wait&>(waiters_.front());
        if (oldest.count() > available_) return;
        available_ -= oldest.count();
        ++acquired_;
        ++contended_;
        waiters_.pop(identity_).grant();
    }
}

void semaphore::refuse(std::size_t count) const {
    RF_THROW(std::invalid_argument(
        count == 0
            ? fmt::format("{}: no permits were asked for; ask for at least 1", identity_.text())
            : fmt::format("{}: {} permits were asked for, and there are {} in all; the wait "
                          "would never end",
                          identity_.text(), count, total_)));
}

void permit::refuse(std::size_t count, std::source_location where) const noexcept {
    const std::string which =
        from_ == nullptr ? "an empty permit" : "a permit of the " + from_->identity_.text();
    fmt::print(stderr,
               "ringfence: {}:{}: {} permits were released of {}, which holds {}; give back what "
               "was acquired, once\n",
               where.file_name(), where.line(), static_cast<std::ptrdiff_t>(count), which, count_);
    std::fflush(stderr);
    std::abort();
}

void semaphore::describe(wait_description& out, std::size_t wanted) const {
    identity_.describe(out, "permit", "release permits");
    out.what = fmt::format("{} of {} permits of {} ({} available)", wanted, total_,
                           identity_.text(), available_);
    out.object = this;
    out.owner = "whoever holds its permits";
}

}  // namespace rf::sync
