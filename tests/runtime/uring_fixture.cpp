// SPDX-License-Identifier: MIT
#include "tests/runtime/uring_fixture.hpp"
#include <ringfence/runtime/detail/uring_driver.hpp>
#include <ringfence/runtime/uring_requests.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <iterator>

namespace rf::test {

std::unique_ptr<rf::driver> make_driver(const rf::uring_options& options) {
    std::string refusal;
    auto driver = rf::make_uring_driver(options, refusal);
    REQUIRE_MESSAGE(driver != nullptr, refusal);
    CHECK(refusal.empty());
    return driver;
}

rf::uring_statistics statistics(const rf::driver& driver) {
    return static_cast<const rf::detail::uring_driver&>(driver).statistics();
}

void queue_nop(rf::driver& driver, std::uint64_t user_data) {
    io_uring_sqe& sqe = driver.next_sqe();
    rf::detail::prep::nop(sqe);
    sqe.user_data = user_data;
}

std::vector<rf::completion> collect(rf::driver& driver, std::size_t count) {
    std::vector<rf::completion> all = reap_all(driver);
    while (all.size() < count) {
        driver.wait(rf::instant_never);
        const auto more = reap_all(driver);
        all.insert(all.end(), more.begin(), more.end());
    }
    return all;
}

std::vector<rf::completion> reap_all(rf::driver& driver) {
    std::vector<rf::completion> all;
    rf::completion batch[64];
    while (const std::size_t count = driver.reap(batch))
        all.insert(all.end(), batch, batch + count);
    return all;
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator folder("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

}  // namespace rf::test
