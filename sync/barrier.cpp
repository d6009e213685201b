// SPDX-License-Identifier: MIT
#include <ringfence/sync/barrier.hpp>

#include <fmt/format.h>

#include <stdexcept>

namespace rf::sync {

barrier::barrier(std::size_t parties, std::source_location made)
    : identity_{"barrier", made}, parties_(parties) {
    if (parties == 0 || parties > detail::most_counts)
        RF_THROW(std::invalid_argument(
            fmt::format("{}: a barrier of {} parties; it needs at least 1", identity_.text(),
                        static_cast<std::ptrdiff_t>(parties))));
}

void barrier::refuse() const noexcept {
    detail::misused(identity_, "a task arrived after all its parties have dropped out");
}

void barrier::arrive_awaiter::describe(wait_description& out) const {
    detail::describe_count(out, barrier_->identity_, "be complete",
                           barrier_->parties_ - barrier_->arrived_);
    out.object = barrier_;
    out.owner = "its other parties";
}

}  // namespace rf::sync
