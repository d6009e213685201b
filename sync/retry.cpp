// SPDX-License-Identifier: MIT
#include <ringfence/sync/retry.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace rf::sync {

retry_budget::retry_budget(retry_budget_options options, std::source_location made)
    : options_(options), available_(static_cast<double>(options.reserve)) {
    if (std::isfinite(options.per_call) && options.per_call >= 0 && options.reserve >= 1) return;
    RF_THROW(std::invalid_argument(fmt::format(
        "{}: {} retries per call and a reserve of {}; the first must not be negative, "
        "the second at least 1, or there never is a retry",
        detail::identity{"retry_budget", made}.text(), options.per_call, options.reserve)));
}

void retry_budget::earn() noexcept {
    available_ = std::min(available_ + options_.per_call, static_cast<double>(options_.reserve));
}

bool retry_budget::spend() noexcept {
    if (available_ < 1) return false;
    available_ -= 1;
    return true;
}

retry_run::retry_run(const retry_policy& policy, std::source_location where)
    : policy_(policy), delay_(policy.base) {
    if (policy.attempts < 1 || policy.base.count() < 0 || policy.cap < policy.base)
        RF_THROW(std::invalid_argument(fmt::format(
            "{}: {} attempts with delays of {} to {} ns; it needs at least 1 attempt, and delays "
            "from 0 up, the shortest first",
            detail::identity{"retry", where}.text(), policy.attempts, policy.base.count(),
            policy.cap.count())));
    count(&retry_statistics::calls);
    if (policy_.budget != nullptr) policy_.budget->earn();
}

void retry_run::count(std::uint64_t retry_statistics::* what) noexcept {
    if (what == &retry_statistics::attempts) ++attempts_;
    if (policy_.statistics != nullptr) ++(policy_.statistics->*what);
    if (policy_.budget != nullptr) ++(policy_.budget->counts_.*what);
}

bool retry_run::worth(const std::exception_ptr& error) const {
    if (error == nullptr) return true;
    if (policy_.retry_if != nullptr && !policy_.retry_if(error)) return false;
#if RF_EXCEPTIONS
    try {
        std::rethrow_exception(error);
    } catch (const cancelled_error&) {
        return false;
    } catch (...) {
        return true;
    }
#else
    return true;
#endif
}

bool retry_run::again(const std::exception_ptr& error) {
    if (!worth(error)) {
        count(&retry_statistics::not_worth);
        return false;
    }
    if (attempts_ >= policy_.attempts) {
        count(&retry_statistics::gave_up);
        return false;
    }
    // Between the shortest delay and three times the last one.
    const double shortest = static_cast<double>(policy_.base.count());
    const double longest = static_cast<double>(delay_.count()) * 3;
    const double part = static_cast<double>(loop::here().next_random()) / 4294967296.0;
    const double drawn =
        std::min(shortest + part * (longest - shortest), static_cast<double>(policy_.cap.count()));
    delay_ = std::chrono::nanoseconds(drawn >= 9.2e18 ? policy_.cap.count()
                                                      : static_cast<std::int64_t>(drawn));

    const auto deadline = this_task::deadline();
    if (deadline && clock::now() + delay_ >= *deadline) {
        count(&retry_statistics::out_of_time);
        return false;
    }
    if (policy_.budget != nullptr && !policy_.budget->spend()) {
        count(&retry_statistics::out_of_budget);
        return false;
    }
    return true;
}

}  // namespace rf::sync
