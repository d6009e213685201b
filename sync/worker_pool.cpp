// SPDX-License-Identifier: MIT
#include <ringfence/sync/worker_pool.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>

namespace rf::sync {

pool_draining::pool_draining(std::string which)
    : io_error(rf::error("submit to a worker_pool", EPIPE), std::move(which)) {}

namespace {

/// Workers and queue together, if they make sense.
std::size_t checked_places(worker_pool_options options, const detail::identity& which) {
    constexpr std::int64_t most = std::int64_t{1} << 40;
    if (options.workers < 1 || options.queue < 0 || options.workers > most || options.queue > most)
        RF_THROW(std::invalid_argument(fmt::format(
            "{}: {} workers and a queue of {}; it needs at least 1 and 0, and at most 2^40",
            which.text(), options.workers, options.queue)));
    return static_cast<std::size_t>(options.workers + options.queue);
}

}  // namespace

worker_pool::worker_pool(nursery& home, worker_pool_options options, std::source_location made)
    : identity_{"worker_pool", made}, home_(home),
      places_count_(checked_places(options, identity_)), places_(places_count_, made),
      workers_(static_cast<std::size_t>(options.workers), made) {}

worker_pool::~worker_pool() {
    // Only who has a place waits for a worker, or has one.
    const std::size_t jobs = places_count_ - places_.available();
    const std::size_t submitting = places_.statistics().waiting;
    if (jobs != 0 || submitting != 0)
        detail::misused(identity_, fmt::format("it was destroyed while {} of its jobs run or are "
                                               "queued, and {} wait to be; it has to outlive them: "
                                               "make it outside of its nursery",
                                               jobs, submitting)
                                       .c_str());
}

void worker_pool::check_open() {
    if (!draining_) return;
    ++rejected_;
    RF_THROW(pool_draining(identity_.text()));
}

task<> worker_pool::drain() {
    draining_ = true;
    // All places at once: the line is first come, first served, so this comes after every job.
    auto all = co_await places_.acquire(places_count_);
}

}  // namespace rf::sync
