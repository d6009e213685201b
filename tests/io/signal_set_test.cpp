// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/signal_set.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <thread>
#include <unistd.h>

using rf::io::signal_set;

TEST_CASE("signal set: a waiting task gets the number of what arrives") {
    test::run_clean([]() -> rf::task<> {
        signal_set signals({SIGUSR1, SIGHUP});
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                const int first = co_await signals.next();
                CHECK(first == SIGUSR1);
                const int second = co_await signals.next();
                CHECK(second == SIGHUP);
            });
            both.spawn([]() -> rf::task<> {
                ::raise(SIGUSR1);
                co_await rf::this_task::yield();
                ::raise(SIGHUP);
            });
            co_return;
        });
    });
}

TEST_CASE("signal set: arrivals between two waits are kept, each of them") {
    test::run_clean([]() -> rf::task<> {
        signal_set signals({SIGUSR1, SIGUSR2});
        for (int i = 0; i < 5; ++i)
            ::raise(SIGUSR1);
        ::raise(SIGUSR2);
        for (int i = 0; i < 5; ++i) {
            const int got = co_await signals.next();
            CHECK(got == SIGUSR1);
        }
        const int last = co_await signals.next();
        CHECK(last == SIGUSR2);
        CHECK(signals.try_next() == 0);
    });
}

TEST_CASE("signal set: a program that waits for a signal alone sleeps and is no deadlock") {
    test::run_clean([]() -> rf::task<> {
        signal_set signals({SIGUSR1});
        // Sent by another thread as soon as this one sleeps or a little before: both must wake it.
        std::jthread sender([self = ::pthread_self()] { ::pthread_kill(self, SIGUSR1); });
        const int got = co_await signals.next();
        CHECK(got == SIGUSR1);
    });
}

TEST_CASE("signal set: a cancelled wait takes no signal") {
    test::run_clean([]() -> rf::task<> {
        signal_set signals({SIGUSR1});
        const auto none = co_await rf::move_on_after(std::chrono::milliseconds(1), signals.next());
        CHECK(!none);
        ::raise(SIGUSR1);
        rf::cancel_scope scope;
        scope.cancel();
        const auto cancelled = co_await scope.run(signals.next());
        CHECK(!cancelled);
        const int got = co_await signals.next();
        CHECK(got == SIGUSR1);
    });
}

TEST_CASE("signal set: several sets each hear of every arrival") {
    test::run_clean([]() -> rf::task<> {
        signal_set one({SIGUSR1});
        signal_set other({SIGUSR1, SIGUSR2});
        ::raise(SIGUSR1);
        CHECK(one.try_next() == SIGUSR1);
        CHECK(other.try_next() == SIGUSR1);
        CHECK(other.try_next() == 0);
        co_return;
    });
}

TEST_CASE("signal set: the signal does again what it did before when the set is gone") {
    static volatile sig_atomic_t seen = 0;
    seen = 0;
    struct sigaction mine{};
    struct sigaction before{};
    mine.sa_handler = [](int) { seen = seen + 1; };
    ::sigaction(SIGUSR1, &mine, &before);
    test::run_clean([]() -> rf::task<> {
        {
            signal_set signals({SIGUSR1});
            ::raise(SIGUSR1);
            CHECK(seen == 0);
        }  // with its message to the loop still under way
        ::raise(SIGUSR1);
        CHECK(seen == 1);
        co_return;
    });
    ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("signal set: what arrives as its listener goes is not told to anybody") {
    test::run_clean([]() -> rf::task<> {
        int calls = 0;
        const auto count = [](void* calls_seen) noexcept { ++*static_cast<int*>(calls_seen); };
        {
            rf::detail::signal_listener listener(rf::loop::here(), {SIGUSR1}, {count, &calls});
            ::raise(SIGUSR1);
            co_await rf::sleep_for(std::chrono::milliseconds(1));
            CHECK(calls == 1);
            ::raise(SIGUSR1);
        }
        co_await rf::sleep_for(std::chrono::milliseconds(1));
        CHECK(calls == 1);
    });
}
