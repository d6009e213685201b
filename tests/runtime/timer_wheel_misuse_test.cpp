// SPDX-License-Identifier: MIT
#include <ringfence/runtime/timer_wheel.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

namespace {

/// Whether `misuse` ends its process by abort().
bool aborts(void (*misuse)()) {
    const pid_t child = fork();
    if (child == 0) {
        std::signal(SIGABRT, SIG_DFL);
        if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
        misuse();
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGABRT;
}

struct idle_timer : rf::timer {
    idle_timer() noexcept {
        on_fire = [](rf::timer&) noexcept {};
    }
};

}  // namespace

TEST_CASE("timer: destroying it while it is armed aborts") {
    CHECK(aborts([] {
        rf::timer_wheel wheel;
        idle_timer armed;  // destroyed first
        wheel.arm(armed, 1);
    }));
}

TEST_CASE("timer_wheel: destroying it while a timer is armed aborts") {
    CHECK(aborts([] {
        idle_timer armed;
        rf::timer_wheel wheel;  // destroyed first
        wheel.arm(armed, 1);
    }));
}

TEST_CASE("timer_wheel: arming a timer that is armed aborts") {
    CHECK(aborts([] {
        rf::timer_wheel wheel;
        idle_timer armed;
        wheel.arm(armed, 1);
        wheel.arm(armed, 2);
        wheel.cancel(armed);
    }));
}

TEST_CASE("timer_wheel: arming for never aborts") {
    CHECK(aborts([] {
        rf::timer_wheel wheel;
        idle_timer endless;
        wheel.arm(endless, rf::instant_never);
        wheel.cancel(endless);
    }));
}

TEST_CASE("timer_wheel: arming a timer that has nothing to call aborts") {
    CHECK(aborts([] {
        rf::timer_wheel wheel;
        rf::timer empty;
        wheel.arm(empty, 1);
        wheel.cancel(empty);
    }));
}
