// SPDX-License-Identifier: MIT
#pragma once

#include <tests/support/run_sim.hpp>
#include <utility>

namespace test {

/// Runs `fn` under virtual time and returns how the run ended, for tests that check that
/// themselves.
template <class F>
rf::run_report run_sim(F fn, const rf::run_options& options = {}) {
    rf::test::sim_options how;
    how.run = options;
    how.world.patience = {};  // nobody on another thread is waited for in real time
    return rf::test::report_sim(how, std::move(fn));
}

}  // namespace test
