// SPDX-License-Identifier: MIT
// What the kernel may answer to io_uring_enter, and what the driver makes of it.
#include "tests/runtime/uring_faults.hpp"
#include "tests/runtime/uring_fixture.hpp"
#include "tests/support/death.hpp"
#include <ringfence/runtime/uring_requests.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>

using rf::test::faulty_kernel;
using rf::test::numbered;

namespace {

void queue_nops(rf::driver& driver, std::uint64_t count, std::uint64_t first = 0) {
    for (std::uint64_t i = 0; i < count; ++i)
        rf::test::queue_nop(driver, numbered(first + i));
}

/// Collects with a bound on waits, so that a lost request fails instead of hanging.
void check_all_come(rf::driver& driver, std::uint64_t count, int waits_max = 1000) {
    std::vector<rf::completion> all = rf::test::reap_all(driver);
    for (int waits = 0; all.size() < count && waits < waits_max; ++waits) {
        driver.wait(driver.now() + 100'000'000);
        const auto more = rf::test::reap_all(driver);
        all.insert(all.end(), more.begin(), more.end());
    }
    REQUIRE(all.size() == count);
    for (std::uint64_t i = 0; i < count; ++i)
        CHECK(all[i].user_data == numbered(i));
    CHECK_FALSE(driver.has_unsubmitted());
}

}  // namespace

TEST_CASE("uring driver: a signal before anything was taken repeats the submission") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options());
    kernel.enters = {{-EINTR}, {-EINTR}};
    queue_nops(*driver, 3);
    driver->poll();
    CHECK(kernel.enters.empty());
    CHECK_FALSE(driver->has_unsubmitted());
    check_all_come(*driver, 3);
}

TEST_CASE("uring driver: a signal after some were taken repeats only the rest") {
    for (const bool honest : {true, false}) {
        CAPTURE(honest);
        faulty_kernel kernel;
        auto driver = rf::test::make_driver(kernel.options());
        kernel.enters = {{-EINTR, 2, honest}};
        queue_nops(*driver, 5);
        driver->poll();
        check_all_come(*driver, 5);
        CHECK(rf::test::statistics(*driver).submitted == 5);
    }
}

TEST_CASE("uring driver: a signal during a wait ends it") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options());
    driver->wait(0);
    kernel.enters = {{-EINTR}};
    driver->wait(rf::instant_never);
    CHECK(kernel.enters.empty());
    CHECK(rf::test::reap_all(*driver).empty());
}

TEST_CASE("uring driver: a short submission goes on with what is left, in order") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options());
    kernel.enters = {{0, 1, true}, {0, 3, true}, {0, 2, true}};
    queue_nops(*driver, 10);
    driver->poll();
    CHECK_FALSE(driver->has_unsubmitted());
    check_all_come(*driver, 10);
}

TEST_CASE("uring driver: requests refused for want of memory are offered again") {
    for (const int error : {EAGAIN, EBUSY, ENOMEM}) {
        CAPTURE(error);
        faulty_kernel kernel;
        auto driver = rf::test::make_driver(kernel.options());
        kernel.enters = {{-error}, {-error}, {-error}};
        queue_nops(*driver, 4);
        driver->poll();
        CHECK(driver->has_unsubmitted());
        CHECK(kernel.enters.size() == 2);  // no spinning inside one tick
        check_all_come(*driver, 4);
        CHECK(rf::test::statistics(*driver).refusals == 3);
    }
}

TEST_CASE("uring driver: a wait sleeps at most a moment while requests are refused") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options());
    driver->wait(0);
    queue_nops(*driver, 1);
    kernel.enters = {{-EAGAIN}, {-EAGAIN}};  // the wait's own attempt, and its second look
    const unsigned timed = kernel.timed_enters_asked;
    driver->wait(rf::instant_never);
    CHECK(kernel.timed_enters_asked == timed + 1);
    CHECK(driver->has_unsubmitted());
    check_all_come(*driver, 1);

    // Over: the next wait is the plain one again.
    const unsigned asked = kernel.enters_asked;
    queue_nops(*driver, 1);
    driver->wait(rf::instant_never);
    CHECK(kernel.enters_asked == asked + 1);
    check_all_come(*driver, 1);
}

TEST_CASE("uring driver: a refused wait does not pause while a completion is there") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options());
    driver->wait(0);
    queue_nops(*driver, 1);
    driver->poll();
    queue_nops(*driver, 1, 1);
    kernel.enters = {{-EBUSY}};
    const unsigned asked = kernel.enters_asked;
    driver->wait(rf::instant_never);
    CHECK(kernel.enters_asked == asked + 1);
    check_all_come(*driver, 2);
}

TEST_CASE("uring driver: what a refusing kernel leaves behind is kept aside, in order") {
    for (const int error : {EAGAIN, EBUSY}) {
        CAPTURE(error);
        faulty_kernel kernel;
        auto driver = rf::test::make_driver(kernel.options(4, 8));
        kernel.enters.assign(40, {-error});
        queue_nops(*driver, 500);
        CHECK(rf::test::statistics(*driver).kept_aside == 496);
        driver->poll();
        CHECK(driver->has_unsubmitted());
        queue_nops(*driver, 500, 500);
        check_all_come(*driver, 1000);
        CHECK(rf::test::statistics(*driver).kept_aside == 0);
        // And the ring is used directly again.
        queue_nops(*driver, 3);
        CHECK(rf::test::statistics(*driver).kept_aside == 0);
        check_all_come(*driver, 3);
    }
}

TEST_CASE("uring driver: requests kept aside move up behind every short submission") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options(4, 64));
    for (int i = 0; i < 300; ++i) {
        kernel.enters.push_back({-EAGAIN});
        kernel.enters.push_back({0, static_cast<unsigned>(1 + i % 3), true});
        // Some taken and then an error: room in the ring that those kept aside must get first.
        kernel.enters.push_back({-EAGAIN, 1, false});
    }
    for (std::uint64_t i = 0; i < 50; ++i) {
        queue_nops(*driver, 4, 4 * i);
        driver->poll();
    }
    check_all_come(*driver, 200);
}

TEST_CASE("uring driver: entries kept aside come zeroed") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options(4, 8));
    kernel.enters.assign(4, {-EAGAIN});
    const io_uring_sqe zero{};
    for (std::uint64_t i = 0; i < 40; ++i) {
        io_uring_sqe& sqe = driver->next_sqe();
        CHECK(std::memcmp(&sqe, &zero, sizeof sqe) == 0);
        rf::detail::prep::nop(sqe);
        sqe.user_data = numbered(i);
    }
    check_all_come(*driver, 40);
}

TEST_CASE("uring driver: a wake ends the pause of a refused wait") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options());
    kernel.enters = {{-EAGAIN}, {-EAGAIN}, {-EAGAIN}, {-EAGAIN}};
    queue_nops(*driver, 1);
    driver->wake();
    driver->wait(rf::instant_never);
    driver->wait(rf::instant_never);
    check_all_come(*driver, 1);
}

TEST_CASE("uring driver: a lasting refusal is said, seldom, and nothing is lost") {
    const auto end = rf::test::run_to_death([] {
        faulty_kernel kernel;
        auto driver = rf::test::make_driver(kernel.options());
        queue_nops(*driver, 2);
        for (int i = 0; i < 100; ++i) {
            kernel.enters = {{-EAGAIN}, {-EAGAIN}, {-ETIME}};  // two attempts, then the pause
            driver->wait(rf::instant_never);
        }
        check_all_come(*driver, 2);
    });
    CHECK(end.status == 0);
    CHECK(end.said.find("for want of memory") != std::string::npos);
    CHECK(end.said.find('\n') == end.said.size() - 1);
}

TEST_CASE("uring driver: the end of a wait's time is no error") {
    faulty_kernel kernel;
    auto driver = rf::test::make_driver(kernel.options());
    kernel.enters = {{-ETIME}};
    driver->wait(driver->now() + 1'000'000'000'000);
    CHECK(rf::test::reap_all(*driver).empty());
    queue_nops(*driver, 1);
    check_all_come(*driver, 1);
}

TEST_CASE("uring driver: errors after which nothing is certain end the process with a sentence") {
    struct fatal {
        int error;
        const char* says;
    };
    for (const auto& [error, says] :
         {fatal{EBADR, "dropped a completion"}, fatal{EEXIST, "from a thread that does not own it"},
          fatal{ENXIO, "closed the descriptor"}, fatal{EBADF, "closed the descriptor"},
          fatal{EFAULT, "Bad address"}}) {
        CAPTURE(error);
        const int given = error;
        const auto end = rf::test::run_to_death([given] {
            faulty_kernel kernel;
            auto driver = rf::test::make_driver(kernel.options());
            queue_nops(*driver, 1);
            kernel.enters = {{-given}};
            driver->poll();
        });
        CHECK(end.signal == SIGABRT);
        CHECK_MESSAGE(end.said.find(says) != std::string::npos, end.said);
    }
}
