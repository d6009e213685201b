// SPDX-License-Identifier: MIT
#include <ringfence/leakcheck/watcher.hpp>

#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/assert.hpp>
#include <ringfence/runtime/loop.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace rf::leakcheck {

watcher::watcher(watcher_options options) : options_(std::move(options)) {}

watcher::~watcher() {
    RF_ASSERT(stalls_ == nullptr && verdicts_ == nullptr && cancels_ == nullptr,
              "a leakcheck::watcher was destroyed before the run that it watches had ended");
}

void watcher::begins(loop& owner) {
    RF_ASSERT(stalls_ == nullptr && verdicts_ == nullptr && cancels_ == nullptr,
              "a leakcheck::watcher watches one run at a time");
    if (options_.flight_events != 0) owner.record_flight(options_.flight_events);
    if (options_.opening_stacks) owner.keep_openings();
    // All or none: each refuses options that make no sense.
    std::unique_ptr<cancel_monitor> cancels;
    std::unique_ptr<verdict_watch> verdicts;
    if (options_.cancels.sites_max != 0)
        cancels = std::make_unique<cancel_monitor>(options_.cancels);
    if (options_.verdicts.interval.count() != 0)
        verdicts = std::make_unique<verdict_watch>(options_.verdicts);
    if (options_.stalls.threshold.count() != 0)
        stalls_ = std::make_unique<stall_detector>(options_.stalls);
    cancels_ = std::move(cancels);
    verdicts_ = std::move(verdicts);
}

std::string watcher::deadlocked(loop& owner) {
    wait_graph_options all = options_.verdicts.graph;
    all.nothing_will_happen = true;
    all.allowed = nullptr;  // what may wait for ever on an ordinary day is news now
    return wait_graph(owner, all).report();
}

std::string watcher::held_up(loop& owner) {
    wait_graph_options late = options_.verdicts.graph;
    late.drain_max = std::min(late.drain_max, late.unwind_max);
    late.allowed = nullptr;
    return wait_graph(owner, late).report();
}

// Openings stay for the report of what is left open; the loop goes next.
void watcher::ends(loop&) {
    stalls_ = nullptr;
    verdicts_ = nullptr;
    cancels_ = nullptr;
}

observer_factory watch_shards(watcher_options options) {
    return [options = std::move(options)](shard) { return std::make_shared<watcher>(options); };
}

}  // namespace rf::leakcheck
