// SPDX-License-Identifier: MIT
#include "tests/runtime/uring_fixture.hpp"
#include <ringfence/runtime/uring_abi.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace prep = rf::detail::prep;
using rf::test::numbered;

namespace {

/// Runs the body once per kernel that is to be stood in for.
template <class Body>
void on_each_kernel(Body&& body) {
    for (const char* kernel : rf::test::kernels) {
        CAPTURE(kernel);
        const rf::test::disabled_features mask(kernel);
        body();
    }
}

bool in_order(const std::vector<rf::completion>& all) {
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].user_data != numbered(i)) return false;
    return true;
}

}  // namespace

TEST_CASE("uring driver: a request completes once, with its user_data and its result") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        int pair[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        char data[8] = {};
        io_uring_sqe& recv = driver->next_sqe();
        prep::recv(recv, pair[0], data, sizeof data);
        recv.user_data = numbered(0);
        driver->poll();
        CHECK(rf::test::reap_all(*driver).empty());
        CHECK(rf::test::statistics(*driver).in_flight == 1);

        REQUIRE(::write(pair[1], "abc", 3) == 3);
        const auto got = rf::test::collect(*driver, 1);
        REQUIRE(got.size() == 1);
        CHECK(got[0].user_data == numbered(0));
        CHECK(got[0].res == 3);
        CHECK(std::strcmp(data, "abc") == 0);
        ::close(pair[0]);
        ::close(pair[1]);
    });
}

TEST_CASE("uring driver: entries come zeroed, on their second use too") {
    auto driver = rf::test::make_driver({.entries = 4, .cq_entries = 8});
    const io_uring_sqe zero{};
    for (int i = 0; i < 20; ++i) {
        io_uring_sqe& sqe = driver->next_sqe();
        CHECK(std::memcmp(&sqe, &zero, sizeof sqe) == 0);
        std::memset(&sqe, 0, sizeof sqe);
        sqe.off = sqe.addr = ~0ULL;
        sqe.addr3 = 0;
        prep::nop(sqe);
        sqe.user_data = numbered(0);
    }
    CHECK(rf::test::collect(*driver, 20).size() == 20);
}

TEST_CASE("uring driver: a full submission queue keeps order and loses nothing") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver({.entries = 4, .cq_entries = 2048});
        REQUIRE(rf::test::statistics(*driver).sq_entries == 4);
        for (std::uint64_t i = 0; i < 1000; ++i)
            rf::test::queue_nop(*driver, numbered(i));
        CHECK(driver->has_unsubmitted());
        const auto all = rf::test::collect(*driver, 1000);
        CHECK(all.size() == 1000);
        CHECK(in_order(all));
        CHECK_FALSE(driver->has_unsubmitted());
        // The doorbell's poll is the one request that stays.
        CHECK(rf::test::statistics(*driver).in_flight <= 1);
    });
}

TEST_CASE("uring driver: a completion queue of 8 carries 10,000 completions in order") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver({.entries = 4, .cq_entries = 8});
        REQUIRE(rf::test::statistics(*driver).cq_entries == 8);
        for (std::uint64_t i = 0; i < 10'000; ++i)
            rf::test::queue_nop(*driver, numbered(i));
        driver->poll();
        CHECK_MESSAGE(driver->has_deferred(), "the overflow must be visible, or the loop sleeps");
        const auto all = rf::test::collect(*driver, 10'000);
        CHECK(all.size() == 10'000);
        CHECK(in_order(all));
        CHECK_FALSE(driver->has_deferred());
    });
}

TEST_CASE("uring driver: 1,000 timeouts that fire together pass through queues of 4 and 8") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver({.entries = 4, .cq_entries = 8});
        const __kernel_timespec soon{.tv_sec = 0, .tv_nsec = 1'000'000};
        for (std::uint64_t i = 0; i < 1000; ++i) {
            io_uring_sqe& sqe = driver->next_sqe();
            prep::timeout(sqe, &soon);
            sqe.user_data = numbered(i);
        }
        auto all = rf::test::collect(*driver, 1000);
        CHECK(all.size() == 1000);
        CHECK(std::ranges::all_of(all, [](const auto& c) { return c.res == -ETIME; }));
        std::ranges::sort(all, {}, &rf::completion::user_data);
        CHECK(in_order(all));
    });
}

TEST_CASE("uring driver: what the kernel does not finish in one call comes with the next ones") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        const int event = ::eventfd(0, EFD_CLOEXEC);
        for (std::uint64_t i = 0; i < 200; ++i) {
            io_uring_sqe& sqe = driver->next_sqe();
            prep::poll_add(sqe, event, POLLIN);
            sqe.user_data = numbered(i);
        }
        driver->poll();
        REQUIRE(rf::test::reap_all(*driver).empty());
        REQUIRE(::eventfd_write(event, 1) == 0);
        CHECK(rf::test::collect(*driver, 200).size() == 200);
        CHECK_FALSE(driver->has_deferred());
        ::close(event);
    });
}

TEST_CASE("uring driver: what the kernel holds back is visible without entering it") {
    auto driver = rf::test::make_driver();
    if (!driver->features().defer_taskrun) return;  // others hold nothing back
    const int event = ::eventfd(0, EFD_CLOEXEC);
    io_uring_sqe& sqe = driver->next_sqe();
    prep::poll_add(sqe, event, POLLIN);
    sqe.user_data = numbered(0);
    driver->poll();
    CHECK_FALSE(driver->has_deferred());
    REQUIRE(::eventfd_write(event, 1) == 0);
    CHECK(driver->has_deferred());
    CHECK(rf::test::reap_all(*driver).empty());
    driver->poll();
    CHECK(rf::test::reap_all(*driver).size() == 1);
    ::close(event);
}

TEST_CASE("uring driver: poll enters the kernel only if there is a reason") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        const auto before = driver->enter_count();
        driver->poll();
        CHECK(driver->enter_count() == before);
        rf::test::queue_nop(*driver, numbered(0));
        rf::test::queue_nop(*driver, numbered(1));
        driver->poll();
        CHECK(driver->enter_count() == before + 1);
        CHECK(rf::test::reap_all(*driver).size() == 2);
    });
}

TEST_CASE("uring driver: a wait hands over, sleeps and collects in one system call") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        driver->wait(0);  // arms the doorbell
        for (int tick = 0; tick < 10; ++tick) {
            const auto before = driver->enter_count();
            rf::test::queue_nop(*driver, numbered(0));
            driver->wait(rf::instant_never);
            CHECK(driver->enter_count() == before + 1);
            CHECK(rf::test::reap_all(*driver).size() == 1);
        }
    });
}

TEST_CASE("uring driver: a wait never sleeps while a completion is there") {
    auto driver = rf::test::make_driver();
    driver->wait(0);
    rf::test::queue_nop(*driver, numbered(0));
    driver->poll();
    const auto before = driver->enter_count();
    driver->wait(rf::instant_never);
    CHECK(driver->enter_count() == before);
    CHECK(rf::test::reap_all(*driver).size() == 1);
}

TEST_CASE("uring driver: a wait ends at its deadline, and not before") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        const rf::instant until = driver->now() + 3'000'000;
        driver->wait(until);
        CHECK(driver->now() >= until);
        CHECK(rf::test::reap_all(*driver).empty());
    });
}

TEST_CASE("uring driver: a wait whose deadline has passed does not sleep") {
    auto driver = rf::test::make_driver();
    for (const rf::instant until : {rf::instant{0}, rf::instant{-1}, driver->now() - 1}) {
        rf::test::queue_nop(*driver, numbered(0));
        driver->wait(until);
        CHECK(rf::test::reap_all(*driver).size() == 1);
    }
    driver->wait(std::numeric_limits<rf::instant>::min());
    CHECK(rf::test::reap_all(*driver).empty());
}

TEST_CASE("uring driver: a wake before the wait ends that wait, and only that one") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        for (int i = 0; i < 5; ++i) {
            driver->wake();
            driver->wake();
            driver->wait(rf::instant_never);
        }
        const rf::instant until = driver->now() + 2'000'000;
        driver->wait(until);
        CHECK(driver->now() >= until);
        CHECK(rf::test::reap_all(*driver).empty());
    });
}

TEST_CASE("uring driver: a signal ends a wait") {
    static volatile std::sig_atomic_t came;
    struct sigaction handler{};
    struct sigaction before{};
    handler.sa_handler = [](int) { came = 1; };
    REQUIRE(::sigaction(SIGALRM, &handler, &before) == 0);
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        driver->wait(0);
        came = 0;
        // Again and again, because the first may come before the wait.
        const itimerval often{{0, 1000}, {0, 1000}};
        REQUIRE(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
        driver->wait(rf::instant_never);
        const itimerval never{};
        REQUIRE(::setitimer(ITIMER_REAL, &never, nullptr) == 0);
        CHECK(came == 1);
        CHECK(rf::test::reap_all(*driver).empty());
    });
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_CASE("uring driver: a wake from a signal handler ends the wait") {
    static rf::driver* woken;
    struct sigaction handler{};
    struct sigaction before{};
    handler.sa_handler = [](int) { woken->wake(); };
    REQUIRE(::sigaction(SIGUSR1, &handler, &before) == 0);
    auto driver = rf::test::make_driver();
    woken = driver.get();
    ::raise(SIGUSR1);
    driver->wait(rf::instant_never);
    CHECK(rf::test::reap_all(*driver).empty());
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("uring driver: a bell that has rung is quiet again, polled once for all or each time") {
    static rf::driver* woken;
    struct sigaction handler{};
    struct sigaction before{};
    handler.sa_handler = [](int) { woken->wake(); };
    REQUIRE(::sigaction(SIGALRM, &handler, &before) == 0);
    for (const char* mask : {"", "multishot_poll"}) {
        CAPTURE(mask);
        const rf::test::disabled_features disabled(mask);
        auto driver = rf::test::make_driver();
        woken = driver.get();
        // Until the signal has come during a sleep, and not just before it.
        while (rf::test::statistics(*driver).completions == 0) {
            const itimerval once{{0, 0}, {0, 500}};
            REQUIRE(::setitimer(ITIMER_REAL, &once, nullptr) == 0);
            driver->wait(rf::instant_never);
            driver->poll();
            CHECK(rf::test::reap_all(*driver).empty());
        }
        driver->wait(0);  // arms it anew
        const rf::instant until = driver->now() + 2'000'000;
        driver->wait(until);
        CHECK(driver->now() >= until);
    }
    ::sigaction(SIGALRM, &before, nullptr);
}

TEST_CASE("uring driver: a cancel queued behind its target in one batch finds it") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver();
        const int event = ::eventfd(0, EFD_CLOEXEC);
        io_uring_sqe& poll = driver->next_sqe();
        prep::poll_add(poll, event, POLLIN);
        poll.user_data = numbered(0);
        io_uring_sqe& cancel = driver->next_sqe();
        prep::cancel(cancel, numbered(0));
        cancel.user_data = numbered(0) | 1;
        auto both = rf::test::collect(*driver, 2);
        std::ranges::sort(both, {}, &rf::completion::user_data);
        REQUIRE(both.size() == 2);
        CHECK(both[0].res == -ECANCELED);
        CHECK(both[1].res == 0);
        ::close(event);
    });
}

TEST_CASE("uring driver: a registered buffer ring is received into") {
    auto driver = rf::test::make_driver();
    if (!driver->features().buf_ring) return;
    constexpr std::uint32_t entries = 8;
    void* memory =
        ::mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    auto* ring = static_cast<io_uring_buf_ring*>(memory);
    char buffer[16] = {};
    io_uring_buf& first = rf::detail::abi::ring_buffers(ring)[0];
    first.addr = prep::address(buffer);
    first.len = sizeof buffer;
    first.bid = 7;
    ring->tail = 1;
    REQUIRE(driver->register_buffer_ring(ring, entries, 3) == 0);
    CHECK(driver->register_buffer_ring(ring, entries, 3) < 0);

    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    REQUIRE(::write(pair[1], "xyz", 3) == 3);
    io_uring_sqe& recv = driver->next_sqe();
    prep::recv_select(recv, pair[0], 3);
    recv.user_data = numbered(0);
    const auto got = rf::test::collect(*driver, 1);
    CHECK(got[0].res == 3);
    CHECK((got[0].flags & IORING_CQE_F_BUFFER) != 0);
    CHECK((got[0].flags >> IORING_CQE_BUFFER_SHIFT) == 7);
    CHECK(std::strcmp(buffer, "xyz") == 0);
    driver->unregister_buffer_ring(3);
    CHECK(driver->register_buffer_ring(ring, entries, 3) == 0);  // destruction takes it back
    ::close(pair[0]);
    ::close(pair[1]);
    driver.reset();
    ::munmap(memory, 65536);
}

TEST_CASE("uring driver: a disabled buffer ring is refused as an old kernel does") {
    const rf::test::disabled_features mask("buf_ring");
    auto driver = rf::test::make_driver();
    void* memory =
        ::mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    CHECK(driver->register_buffer_ring(static_cast<io_uring_buf_ring*>(memory), 8, 1) == -EINVAL);
    ::munmap(memory, 65536);
}

TEST_CASE("uring driver: 300 are made and destroyed, and leave no descriptor") {
    (void)rf::test::make_driver();  // what the process keeps for good
    const std::size_t before = rf::test::open_descriptors();
    for (int i = 0; i < 300; ++i) {
        auto driver = rf::test::make_driver();
        rf::test::queue_nop(*driver, numbered(0));
        CHECK(rf::test::collect(*driver, 1).size() == 1);
    }
    CHECK(rf::test::open_descriptors() == before);
}

TEST_CASE("uring driver: unreaped completions do not stop destruction") {
    on_each_kernel([] {
        auto driver = rf::test::make_driver({.entries = 4, .cq_entries = 8});
        driver->wait(0);
        driver->wake();
        for (std::uint64_t i = 0; i < 100; ++i)
            rf::test::queue_nop(*driver, numbered(i));
    });
}

TEST_CASE("uring driver: two on one thread do not disturb each other") {
    auto one = rf::test::make_driver();
    auto two = rf::test::make_driver();
    rf::test::queue_nop(*one, numbered(1));
    rf::test::queue_nop(*two, numbered(2));
    CHECK(rf::test::collect(*two, 1)[0].user_data == numbered(2));
    CHECK(rf::test::collect(*one, 1)[0].user_data == numbered(1));
}
