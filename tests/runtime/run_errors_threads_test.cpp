// SPDX-License-Identifier: MIT
#include "tests/support/death.hpp"
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/run_sharded.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;
using rf::test::death;
using rf::test::run_to_death;

#if RF_EXCEPTIONS
namespace {

/// With a type and a word of its own.
struct out_of_paper : std::runtime_error {
    int sheets;
    explicit out_of_paper(int left) : std::runtime_error("out of paper"), sheets(left) {}
};

rf::task<> fail_after(std::chrono::milliseconds span, int sheets) {
    co_await rf::sleep_for(span);
    throw out_of_paper(sheets);
}

rf::run_options rethrowing() {
    rf::run_options options;
    options.errors = rf::on_error::rethrow;
    return options;
}

rf::sharded_options rethrowing_sharded() {
    rf::sharded_options options;
    options.run = rethrowing();
    return options;
}

rf::task<> fail_when_cancelled() {
    return rf::finally([] { return rf::sleep_for(1h); },
                       []() -> rf::task<> {
                           throw std::logic_error("and the toner");
                           co_return;
                       });
}

/// Runs until told, and says so when it has ended, however it ends.
rf::task<> long_life(std::atomic<int>& living) {
    struct counted {
        std::atomic<int>& of;
        explicit counted(std::atomic<int>& all) : of(all) { ++of; }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;
        ~counted() { --of; }
    };
    const counted here(living);
    co_await rf::sleep_for(1h);
}

}  // namespace

TEST_SUITE("run errors threads") {
    TEST_CASE("run: an exception is reported by default, and rethrown where the options say so") {
        const death end = run_to_death(
            [] { CHECK(rf::run([] { return fail_after(0ms, 3); }) == rf::exit_status_failure); });
        CHECK(end.says("ringfence: the program failed: out of paper\n"));

        int sheets = 0;
        try {
            (void)rf::run([] { return fail_after(0ms, 7); }, rethrowing());
        } catch (const out_of_paper& caught) {
            sheets = caught.sheets;
        }
        CHECK(sheets == 7);
        CHECK(rf::loop::current() == nullptr);  // all gone: the next run may begin
        CHECK(rf::run([]() -> rf::task<int> { co_return 5; }, rethrowing()) == 5);
    }

    TEST_CASE("run: a report carries the exception, whatever the options say") {
        const auto report = rf::run_and_report([] { return fail_after(0ms, 1); }, rethrowing());
        CHECK(report.status == rf::exit_status_failure);
        CHECK_THROWS_AS(std::rethrow_exception(report.error), out_of_paper);
    }

    TEST_CASE("run: what else went wrong is printed before the exception leaves") {
        const death end = run_to_death([] {
            try {
                (void)rf::run(
                    []() -> rf::task<> {
                        rf::root_nursery().spawn(fail_when_cancelled);
                        co_await fail_after(1ms, 0);
                    },
                    rethrowing());
            } catch (const out_of_paper&) {
                std::fputs("caught\n", stderr);
            }
        });
        CHECK(end.says("and the toner"));
        CHECK(end.says("caught\n"));
        CHECK_FALSE(end.says("the program failed"));
    }

    TEST_CASE(
        "run_sharded: the first failing shard's error is rethrown on the calling thread, when "
        "all others have ended") {
        std::atomic<int> living{0};
        const auto caller = std::this_thread::get_id();
        int sheets = 0;
        try {
            (void)rf::run_sharded(
                3,
                [&](rf::shard here) -> rf::task<> {
                    if (here.index() == 2) co_await fail_after(5ms, 11);
                    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                        jobs.spawn(long_life, std::ref(living));
                        jobs.spawn_on(rf::shards()[1], [&living] { return long_life(living); });
                        co_return;
                    });
                },
                rethrowing_sharded());
        } catch (const out_of_paper& caught) {
            CHECK(std::this_thread::get_id() == caller);
            CHECK(living.load() == 0);
            sheets = caught.sheets;
        }
        CHECK(sheets == 11);
        CHECK(rf::loop::current() == nullptr);
    }

    TEST_CASE(
        "run_sharded: a second shard that fails is told of, and the first one's is rethrown") {
        const death end = run_to_death([] {
            try {
                (void)rf::run_sharded(
                    2,
                    [&](rf::shard here) -> rf::task<> {
                        if (here.index() == 1) throw out_of_paper(4);
                        co_await fail_when_cancelled();
                    },
                    rethrowing_sharded());
            } catch (const out_of_paper&) {
                std::fputs("caught\n", stderr);
            }
        });
        CAPTURE(end.said);
        CHECK(end.says("caught\n"));
        CHECK(end.says("shard 0 failed, too: and the toner"));
        CHECK(end.said.find("and the toner") < end.said.find("caught"));
        CHECK_FALSE(end.says("the program failed"));
    }

    TEST_CASE("run_sharded: a report names the shard that failed first, and the others") {
        const death end = run_to_death([] {
            const int status = rf::run_sharded(2, [](rf::shard here) -> rf::task<> {
                if (here.index() == 1) throw out_of_paper(4);
                co_await fail_when_cancelled();
            });
            std::_Exit(status);
        });
        CAPTURE(end.said);
        CHECK(end.status == rf::exit_status_failure);
        CHECK(end.says("ringfence: the program failed on shard 1: out of paper\n"
                       "ringfence: shard 0 failed, too: and the toner\n"));
    }
}
#endif
