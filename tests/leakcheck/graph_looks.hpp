// SPDX-License-Identifier: MIT
#pragma once

#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/wait_graph.hpp>
#include <ringfence/runtime/nursery.hpp>
#include <ringfence/runtime/run_observer.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace rf::test {

[[nodiscard]] inline std::size_t count_of(const leakcheck::wait_graph& graph,
                                          leakcheck::verdict what) {
    std::size_t count = 0;
    for (const leakcheck::wait_finding& finding : graph.findings())
        count += finding.what == what ? 1 : 0;
    return count;
}

/// Spawns tasks with `start` and looks at the graph a second later; then all are cancelled.
template <class Start, class Look>
void look_at(Start start, Look look) {
    run_sim([&]() -> task<> {
        co_await with_nursery([&](nursery& jobs) -> task<> {
            start(jobs);
            co_await sleep_for(std::chrono::seconds(1));
            look();
            jobs.cancel();
        });
    });
}

/// The graph when nothing can happen any more.
struct final_look : run_observer {
    std::optional<leakcheck::wait_graph> graph;
    std::string deadlocked(loop& owner) override {
        graph.emplace(owner);
        return graph->report();
    }
};

}  // namespace rf::test
