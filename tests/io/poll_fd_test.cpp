// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/poll_fd.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

using rf::io::poll_fd;

TEST_CASE("poll_fd: waits until the descriptor is readable, and is level-triggered") {
    test::run_clean([]() -> rf::task<> {
        poll_fd event = poll_fd::own(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                for (int i = 0; i < 3; ++i) {
                    const short found = co_await event.wait_readable();
                    CHECK(found == POLLIN);
                }
            });
            both.spawn([&]() -> rf::task<> {
                CHECK(::eventfd_write(event.native_handle(), 1) == 0);
                co_return;
            });
            co_return;
        });
        const short both = co_await event.wait(POLLIN | POLLOUT);
        CHECK(both == (POLLIN | POLLOUT));
    });
}

TEST_CASE("poll_fd: a hang-up wakes whoever waits for something else") {
    test::run_clean([]() -> rf::task<> {
        int pair[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        poll_fd end = poll_fd::own(pair[0]);
        ::close(pair[1]);
        const short found = co_await end.wait_readable();
        CHECK((found & POLLHUP) != 0);
    });
}

TEST_CASE("poll_fd: several tasks may wait on one descriptor") {
    test::run_clean([]() -> rf::task<> {
        poll_fd event = poll_fd::own(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        int woken = 0;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 5; ++i)
                all.spawn([&]() -> rf::task<> {
                    co_await event.wait_readable();
                    ++woken;
                });
            all.spawn([&]() -> rf::task<> {
                CHECK(::eventfd_write(event.native_handle(), 1) == 0);
                co_return;
            });
            co_return;
        });
        CHECK(woken == 5);
    });
}

TEST_CASE("poll_fd: a cancelled wait leaves no poll behind") {
    test::run_clean([]() -> rf::task<> {
        poll_fd event = poll_fd::own(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        const std::uint64_t before = rf::loop::here().counters().operations;
        const auto found =
            co_await rf::move_on_after(std::chrono::milliseconds(1), event.wait_readable());
        CHECK(!found);
        while (rf::loop::here().counters().operations != before)  // the kernel's answer
            co_await rf::this_task::yield();
    });
}

TEST_CASE("poll_fd: one who waits for more than the others is served, and the others stay") {
    test::run_clean([]() -> rf::task<> {
        poll_fd event = poll_fd::own(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        bool readable = false;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                co_await event.wait_readable();
                readable = true;
            });
            co_await rf::this_task::yield();
            const short found = co_await event.wait_writable();
            CHECK(found == POLLOUT);
            CHECK(!readable);
            CHECK(::eventfd_write(event.native_handle(), 1) == 0);
        });
        CHECK(readable);
    });
}

TEST_CASE("poll_fd: readiness is a case of select, and the loser's poll is taken back") {
    test::run_clean([]() -> rf::task<> {
        poll_fd quiet = poll_fd::own(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        poll_fd ready = poll_fd::own(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
        auto won = co_await rf::select(quiet.wait_readable(), ready.wait_readable());
        CHECK(won.index() == 1);
        CHECK(std::get<1>(won) == POLLIN);
        auto late =
            co_await rf::select(quiet.wait_readable(), rf::sleep_for(std::chrono::milliseconds(1)));
        CHECK(late.index() == 1);
        CHECK(::eventfd_write(quiet.native_handle(), 1) == 0);
        const short found = co_await quiet.wait_readable();  // nothing was taken by the loser
        CHECK(found == POLLIN);
    });
}

TEST_CASE("poll_fd: a borrowed descriptor stays open") {
    int fd = ::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    test::run_clean([fd]() -> rf::task<> {
        poll_fd event = poll_fd::borrow(fd);
        co_await event.wait_readable();
    });
    eventfd_t value = 0;
    CHECK(::eventfd_read(fd, &value) == 0);
    ::close(fd);
}

TEST_CASE("poll_fd: destroying it while a task waits is refused") {
    const std::string said = test::abort_message([] {
        (void)rf::run([]() -> rf::task<> {
            poll_fd event = poll_fd::own(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> { co_await event.wait_readable(); });
                both.spawn([&]() -> rf::task<> {
                    event.close();
                    co_return;
                });
                co_return;
            });
        });
    });
    CHECK(said.find("a poll_fd was destroyed while a task waits on it") != std::string::npos);
}
