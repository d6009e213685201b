// SPDX-License-Identifier: MIT
#include <ringfence/runtime/doorbell.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

using rf::detail::doorbell;

namespace {

bool rang(const doorbell& bell) {
    pollfd ready{.fd = bell.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, 0) == 1;
}

}  // namespace

TEST_CASE("doorbell: ringing while the loop is awake makes no system call and is remembered") {
    doorbell bell;
    REQUIRE(bell.open() == 0);
    bell.ring();
    bell.ring();
    CHECK_FALSE(rang(bell));
    CHECK_FALSE(bell.fall_asleep());
    CHECK(bell.fall_asleep());  // remembered once
}

TEST_CASE("doorbell: of many rings during one sleep the first writes") {
    doorbell bell;
    REQUIRE(bell.open() == 0);
    REQUIRE(bell.fall_asleep());
    for (int i = 0; i < 5; ++i)
        bell.ring();
    std::uint64_t count = 0;
    REQUIRE(::read(bell.fd(), &count, sizeof count) == sizeof count);
    CHECK(count == 1);
    bell.wake_up();
    CHECK(bell.fall_asleep());  // that sleep was ended; the next is another
}

TEST_CASE("doorbell: silence empties it and never waits") {
    doorbell bell;
    REQUIRE(bell.open() == 0);
    bell.silence();
    REQUIRE(bell.fall_asleep());
    bell.ring();
    CHECK(rang(bell));
    bell.silence();
    CHECK_FALSE(rang(bell));
}

TEST_CASE("doorbell: its descriptor is not inherited by programs") {
    doorbell bell;
    REQUIRE(bell.open() == 0);
    CHECK((::fcntl(bell.fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("doorbell: ringing a closed one does nothing") {
    doorbell bell;
    REQUIRE(bell.open() == 0);
    REQUIRE(bell.fall_asleep());
    bell.close();
    bell.ring();
    CHECK(bell.fd() == -1);
}
