// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"

#include <cstdlib>
#include <exception>
#include <optional>

namespace rf::test {

leakcheck::simulated_kernel make_world(const sim_options& options) {
    if (options.token.empty())
        return leakcheck::simulated_kernel(options.world, leakcheck::choices::seeded(options.seed));
    std::optional<leakcheck::choices> replay = leakcheck::choices::from_token(options.token);
    RF_ASSERT(replay.has_value(), "sim_options::token is no token");
    return leakcheck::simulated_kernel(options.world, std::move(*replay));
}

void check_report(const run_report& report, const std::string& world) {
    CHECK_MESSAGE(report.refusal.empty(), report.refusal);
    CHECK_MESSAGE(report.deadlock.empty(), report.deadlock);
    CHECK_MESSAGE(report.final.empty(), report.leaks);
    CHECK_MESSAGE(world.empty(), "descriptors were left open: " << world);
#if RF_EXCEPTIONS
    if (report.error != nullptr) std::rethrow_exception(report.error);
#endif
}

void for_seeds(std::uint32_t count, const std::function<void(std::uint64_t seed)>& test) {
    if (const char* chosen = std::getenv("RF_TEST_SEED"); chosen != nullptr) {
        test(std::strtoull(chosen, nullptr, 0));
        return;
    }
    if (std::getenv("RF_TEST_ALL") != nullptr) count *= 10;
    for (std::uint64_t seed = 1; seed <= count; ++seed) {
        INFO("RF_TEST_SEED=" << seed);
        test(seed);
    }
}

}  // namespace rf::test
