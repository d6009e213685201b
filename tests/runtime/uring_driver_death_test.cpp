// SPDX-License-Identifier: MIT
// Misuse that must end the process with a sentence, and forks, which must not.
#include "tests/runtime/uring_fixture.hpp"
#include "tests/support/death.hpp"
#include <ringfence/runtime/uring_requests.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using rf::test::numbered;

namespace {

struct use {
    const char* name;
    std::function<void(rf::driver&)> of;
};

const use every_use[] = {
    {"poll", [](rf::driver& d) { d.poll(); }},
    {"wait", [](rf::driver& d) { d.wait(0); }},
    {"reap", [](rf::driver& d) { (void)rf::test::reap_all(d); }},
    {"has_deferred", [](rf::driver& d) { (void)d.has_deferred(); }},
    {"register_buffer_ring", [](rf::driver& d) { (void)d.register_buffer_ring(nullptr, 8, 1); }},
    {"unregister_buffer_ring", [](rf::driver& d) { d.unregister_buffer_ring(1); }},
};

void check_says(const rf::test::death& end, const char* sentence) {
    CHECK(end.signal == SIGABRT);
    CHECK_MESSAGE(end.said.find(sentence) != std::string::npos, end.said);
}

std::size_t ring_descriptors() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
        if (target.find("io_uring") != std::string::npos) ++count;
        if (target.find("eventfd") != std::string::npos) ++count;
    }
    return count;
}

/// Whether the memory of a ring is mapped into this process.
bool maps_a_ring() {
    std::ifstream maps("/proc/self/maps");
    const std::string text{std::istreambuf_iterator<char>(maps), {}};
    return text.find("io_uring") != std::string::npos;
}

}  // namespace

TEST_CASE("uring driver: use from another thread ends the process with a sentence") {
    for (const use& action : every_use) {
        CAPTURE(action.name);
        check_says(rf::test::run_to_death([&] {
                       auto driver = rf::test::make_driver();
                       std::thread([&] { action.of(*driver); }).join();
                   }),
                   "from a thread that does not own it");
    }
    check_says(rf::test::run_to_death([] {
                   auto driver = rf::test::make_driver();
                   std::thread([&] { driver.reset(); }).join();
               }),
               "from a thread that does not own it");
    check_says(rf::test::run_to_death([] {
                   auto driver = rf::test::make_driver({.entries = 4, .cq_entries = 8});
                   std::thread([&] {
                       for (std::uint64_t i = 0; i < 5; ++i)
                           rf::test::queue_nop(*driver, numbered(i));
                   }).join();
               }),
               "from a thread that does not own it");
}

TEST_CASE("uring driver: use in a forked child ends the child with a sentence") {
    auto driver = rf::test::make_driver();
    for (const use& action : every_use) {
        CAPTURE(action.name);
        check_says(rf::test::run_to_death([&] { action.of(*driver); }), "made by fork()");
    }
    check_says(rf::test::run_to_death([&] { rf::test::queue_nop(*driver, numbered(0)); }),
               "made by fork()");
}

TEST_CASE("uring driver: a forked child that leaves it alone does not disturb the parent") {
    auto driver = rf::test::make_driver();
    driver->wait(0);
    rf::test::queue_nop(*driver, numbered(0));
    CHECK(maps_a_ring());
    const auto end = rf::test::run_to_death([&] {
        driver->wake();  // as an inherited signal handler might
        if (ring_descriptors() != 0) ::_exit(3);
        if (maps_a_ring()) ::_exit(5);
        driver.reset();
        auto own = rf::test::make_driver();
        rf::test::queue_nop(*own, numbered(0));
        if (rf::test::collect(*own, 1).size() != 1) ::_exit(4);
    });
    CHECK(end.status == 0);
    CHECK(end.said.empty());
    const auto got = rf::test::collect(*driver, 1);
    CHECK(got.size() == 1);
    const rf::instant until = driver->now() + 1'000'000;
    driver->wait(until);  // not woken by the child's wake
    CHECK(driver->now() >= until);
}

TEST_CASE("uring driver: a forked child keeps no descriptor of the ring, which would outlive the "
          "parent's") {
    // The child lives until the parent closes `leash`.
    int leash[2];
    int ends[2];
    REQUIRE(::pipe2(leash, O_CLOEXEC) == 0);
    auto driver = rf::test::make_driver();
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    const std::size_t here = ring_descriptors();
    CHECK(here >= 2);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const char found = static_cast<char>(ring_descriptors());
        if (::write(ends[1], &found, 1) != 1) ::_exit(1);
        ::close(leash[1]);
        char end = 0;
        ::_exit(::read(leash[0], &end, 1) == 0 ? 0 : 1);
    }
    char found = 1;
    CHECK(::read(ends[0], &found, 1) == 1);
    CHECK(found == 0);
    driver.reset();
    for (const int fd : {leash[0], leash[1], ends[0], ends[1]})
        ::close(fd);
    CHECK(::waitpid(child, nullptr, 0) == child);
}

TEST_CASE("uring driver: destroying it while the kernel holds a request ends the process") {
    check_says(rf::test::run_to_death([] {
                   auto driver = rf::test::make_driver();
                   const int event = ::eventfd(0, EFD_CLOEXEC);
                   io_uring_sqe& sqe = driver->next_sqe();
                   rf::detail::prep::poll_add(sqe, event, POLLIN);
                   sqe.user_data = numbered(0);
                   driver->poll();
                   driver.reset();
               }),
               "while the kernel still holds requests");
}

TEST_CASE("uring driver: unregistering a buffer group that is not registered ends the process") {
    check_says(rf::test::run_to_death([] {
                   auto driver = rf::test::make_driver();
                   driver->unregister_buffer_ring(9);
               }),
               "that is not registered");
}
