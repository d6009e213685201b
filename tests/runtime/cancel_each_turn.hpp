// SPDX-License-Identifier: MIT
#pragma once

#include "combinator_work.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstddef>

namespace test {

/// Runs `scenario` (a callable that returns a task<>, with no wait but yields) once for each turn
/// in which it could be cancelled, until it finishes before the cancel; `after` checks what each
/// run has left behind. Returns in how many runs it was cancelled.
template <class Scenario, class After>
int cancel_each_turn(Scenario scenario, After after) {
    for (int turns = 0;; ++turns) {
        bool finished = false;
        const rf::run_report report = rf::test::report_sim({}, [&]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                rf::cancel_scope scope;
                auto cancel = [](rf::cancel_scope& it, int when) -> rf::task<> {
                    co_await yields(when);
                    it.cancel();
                };
                auto canceller = jobs.async(cancel, std::ref(scope), turns);
                finished = co_await scope.run([&] { return scenario(); });
                canceller.cancel();
            });
        });
        CHECK(report.status == 0);
        CHECK(report.final.empty());
        after(finished);
        if (finished) return turns;
        REQUIRE(turns < 1000);
    }
}

}  // namespace test
