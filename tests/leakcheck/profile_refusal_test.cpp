// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/leakcheck/profile.hpp>
#include <ringfence/runtime/error.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using rf::leakcheck::profile_kind;
using rf::leakcheck::profile_now;
using rf::leakcheck::task_profile;
using rf::test::has;
using rf::test::run_sim;

namespace {

std::optional<task_profile> taken_in_handler;

}  // namespace

TEST_CASE("profile: without a loop it is refused with one sentence") {
    const task_profile none = profile_now(profile_kind::task);
    CHECK(has(std::string(none.refusal()), "taken on the thread of its loop"));
}

TEST_CASE("profile: in a signal handler, and on another thread, it is refused with one sentence") {
    run_sim([]() -> rf::task<> {
        struct sigaction action = {};
        struct sigaction before = {};
        action.sa_handler = [](int) { taken_in_handler = profile_now(profile_kind::taskleak); };
        REQUIRE(sigaction(SIGUSR2, &action, &before) == 0);
        (void)raise(SIGUSR2);
        REQUIRE(sigaction(SIGUSR2, &before, nullptr) == 0);
        CHECK(has(std::string(taken_in_handler->refusal()), "cannot be taken in a signal handler"));
        taken_in_handler.reset();
        std::string said;
        std::thread([&] { said = profile_now(profile_kind::fd).refusal(); }).join();
        CHECK(has(said, "taken on the thread of its loop, and this thread runs none"));
        co_return;
    });
}

#if RF_EXCEPTIONS
#if defined(RF_WITH_PROFILE)

TEST_CASE("profile: one that was refused cannot be encoded") {
    const task_profile none = profile_now(profile_kind::task);
    CHECK_THROWS_WITH_AS((void)none.encode(), doctest::Contains("this thread runs none"),
                         std::runtime_error);
}

TEST_CASE("profile: written to a full disk, it says so in one sentence") {
    run_sim([]() -> rf::task<> {
        const task_profile seen = profile_now(profile_kind::task);
        std::string said;
        try {
            seen.write("/dev/full");
        } catch (const rf::io_error& error) {
            said = error.what();
        }
        CHECK(said == "write /dev/full: No space left on device (ENOSPC): the report is not "
                      "complete: free some space, or write it elsewhere");
        CHECK(std::filesystem::exists("/dev/full"));
        said.clear();
        try {
            seen.write("/nowhere/at/all");
        } catch (const rf::io_error& error) {
            said = error.what();
        }
        CHECK(said == "open /nowhere/at/all: No such file or directory (ENOENT)");
        co_return;
    });
}

TEST_CASE("profile: where the disk is full half way, no half of a profile is left behind") {
    run_sim([]() -> rf::task<> {
        const task_profile seen = profile_now(profile_kind::task);
        const std::string path = "/tmp/ringfence-profile-" + std::to_string(::getpid());
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
        const rlimit little{16, before.rlim_max};
        const auto handler = std::signal(SIGXFSZ, SIG_IGN);
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
        std::string said;
        try {
            seen.write(path);
        } catch (const rf::io_error& error) {
            said = error.what();
        }
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        (void)std::signal(SIGXFSZ, handler);
        CHECK(has(said, "write " + path + ": "));
        CHECK_FALSE(std::filesystem::exists(path));
        co_return;
    });
}

#else
TEST_CASE("profile: where it was left out of the build, it says what to install") {
    rf::test::run_sim([]() -> rf::task<> {
        const auto seen = rf::leakcheck::profile_now(rf::leakcheck::profile_kind::task);
        CHECK_FALSE(rf::leakcheck::task_profile::available());
        CHECK_THROWS_WITH_AS((void)seen.encode(), doctest::Contains("-Dprofile=enabled"),
                             std::runtime_error);
        co_return;
    });
}

#endif
#endif
