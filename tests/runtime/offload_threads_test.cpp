// SPDX-License-Identifier: MIT
#include "combinator_work.hpp"
#include <ringfence/runtime/offload.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/when_all.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <dirent.h>
#include <functional>
#include <latch>
#include <memory>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if RF_EXCEPTIONS
using test::message_of;
#endif

namespace {

/// Threads of this process that carry the pool's name.
int pool_threads() {
    int count = 0;
    DIR* folder = ::opendir("/proc/self/task");
    while (const dirent* entry = ::readdir(folder)) {
        char name[32] = {};
        const std::string path = std::string("/proc/self/task/") + entry->d_name + "/comm";
        if (FILE* file = std::fopen(path.c_str(), "r")) {
            if (std::fgets(name, sizeof name, file) != nullptr)
                count += std::string(name) == "rf-offload\n";
            std::fclose(file);
        }
    }
    ::closedir(folder);
    return count;
}

}  // namespace

TEST_SUITE("offload threads") {
    TEST_CASE("offload: runs the function on another thread and returns its result") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            const auto here = std::this_thread::get_id();
            const auto there = co_await rf::offload([] { return std::this_thread::get_id(); });
            CHECK(there != here);
            CHECK(std::this_thread::get_id() == here);
            auto moved = co_await rf::offload([] { return std::make_unique<int>(3); });
            CHECK(*moved == 3);
            int number = 0;
            int& same = co_await rf::offload([&]() -> int& { return number; });
            CHECK(&same == &number);
            co_await rf::offload("nothing", [] {});
        });
        CHECK(report.status == 0);
        CHECK(report.final.offload_jobs == 0);
    }

#if RF_EXCEPTIONS
    TEST_CASE("offload: an exception of the function is thrown by the wait") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            co_await rf::offload([] { throw std::runtime_error("there"); });
        });
        CHECK(message_of(report.error) == "there");
    }
#endif

    TEST_CASE("offload: the loop runs on meanwhile") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            std::latch other_ran(1);
            auto blocking = rf::offload([&] { other_ran.wait(); });
            auto other = [&]() -> rf::task<> {
                other_ran.count_down();
                co_return;
            };
            (void)co_await rf::when_all(std::move(blocking), other);
        });
        CHECK(report.status == 0);
    }

    TEST_CASE("offload: thousands of calls on few threads, every result in its place") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            rf::configure_offload({.threads_max = 3});
            std::vector<std::function<rf::task<int>()>> works;
            for (int i = 0; i < 3000; ++i)
                works.emplace_back(
                    [i]() -> rf::task<int> { co_return co_await rf::offload([&] { return i; }); });
            const auto all = co_await rf::when_all(std::move(works));
            bool in_order = true;
            for (int i = 0; i < 3000; ++i)
                in_order = in_order && all[static_cast<std::size_t>(i)] == i;
            CHECK(in_order);
            const int threads = pool_threads();
            CHECK(threads >= 1);
            CHECK(threads <= 3);
        });
        CHECK(report.status == 0);
    }

    TEST_CASE("offload: threads are joined when the run ends") {
        const auto report = rf::run_and_report([]() -> rf::task<> { co_await rf::offload([] {}); });
        CHECK(report.status == 0);
        CHECK(pool_threads() == 0);
    }

    TEST_CASE("offload: signals are blocked on the pool's threads, and not on the loop's") {
        const auto report = rf::run_and_report([]() -> rf::task<> {
            sigset_t there;
            sigset_t here;
            co_await rf::offload([&] { pthread_sigmask(SIG_SETMASK, nullptr, &there); });
            pthread_sigmask(SIG_SETMASK, nullptr, &here);
            CHECK(sigismember(&there, SIGTERM) == 1);
            CHECK(sigismember(&there, SIGINT) == 1);
            CHECK(sigismember(&here, SIGTERM) == 0);
        });
        CHECK(report.status == 0);
    }
}
