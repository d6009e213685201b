// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include <ringfence/io/file.hpp>
#include <ringfence/io/pipe.hpp>
#include <ringfence/io/poll_fd.hpp>
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/finally.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel_ends.hpp>
#include <ringfence/sync/event.hpp>
#include <ringfence/sync/mutex.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

using namespace std::chrono_literals;
using rf::leakcheck::cancel_point_options;
using rf::leakcheck::cancel_point_report;
using rf::leakcheck::for_each_cancel_point;
using rf::leakcheck::injection;
using rf::leakcheck::simulated_kernel;
using rf::test::has;

namespace {

rf::task<> produce(rf::sync::sender<int> to, rf::sync::mutex& lock) {
    for (int i = 0; i < 3; ++i) {
        {
            auto held = co_await lock.lock();
            co_await rf::sleep_for(1ms);
        }
        co_await to.send(i);
    }
}

rf::task<> consume(rf::sync::receiver<int> from, int& sum) {
    for (;;) {
        const auto got = co_await from.receive();
        if (!got) co_return;
        sum += *got;
    }
}

/// A nursery, locks, a channel with ends, a timeout and a cleanup: all sound.
rf::task<> sound_program() {
    rf::sync::mutex lock;
    int sum = 0;
    auto work = [&]() -> rf::task<> {
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            auto ends = rf::sync::open_channel<int>(1);
            jobs.spawn(produce, ends.sender, std::ref(lock));
            jobs.spawn(produce, std::move(ends.sender), std::ref(lock));
            jobs.spawn(consume, std::move(ends.receiver), std::ref(sum));
            co_return;
        });
    };
    auto clean = []() -> rf::task<> { co_await rf::sleep_for(1ms); };
    auto guarded = [&]() -> rf::task<> { co_await rf::finally(work, clean); };
    (void)co_await rf::move_on_after(1s, guarded);
}

/// Closes its file at the end of the work, and not on other ways out.
rf::task<> leaks_when_cancelled() {
    const int file = simulated_kernel::here().make_file("x");
    co_await rf::sleep_for(1ms);
    (void)simulated_kernel::here().close_now(file);
}

}  // namespace

TEST_CASE("cancel points: a sound program passes at every await, and all are reached") {
    const cancel_point_report report = for_each_cancel_point(sound_program);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.awaits_executed > 20);
    CHECK(report.awaits_injected == report.awaits_executed);
    CHECK(report.cancels > report.awaits_executed * 8);
    CHECK(report.faults > 5);
    CHECK(report.complete);
    MESSAGE(report.coverage());
}

TEST_CASE("cancel points: what is cut off says so") {
    cancel_point_options few;
    few.runs_max = 10;
    const cancel_point_report report = for_each_cancel_point(sound_program, few);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.runs == 10);
    CHECK_FALSE(report.complete);
    CHECK(has(report.coverage(), "10 runs, cut off before its end"));
}

TEST_CASE(
    "cancel points: a descriptor that is closed on the good way alone is found, and replayed") {
    const cancel_point_report report = for_each_cancel_point(leaks_when_cancelled);
    CHECK(has(report.failure, "cancelled at await 0"));
    CHECK(has(report.failure, "cancel_points_test.cpp:"));
    CHECK(has(report.failure, "descriptors were left open"));
    CHECK(has(report.failure, report.token.c_str()));

    cancel_point_options again;
    again.replay = report.token;
    const cancel_point_report replayed = for_each_cancel_point(leaks_when_cancelled, again);
    CHECK(replayed.runs == 1);
    CHECK(has(replayed.failure, "descriptors were left open"));
    again.replay[0] = again.replay[0] == 'a' ? 'b' : 'a';
    CHECK(has(for_each_cancel_point(leaks_when_cancelled, again).failure, "of another build"));
}

TEST_CASE("cancel points: a cleanup that is cancelled too and gives up half way is found") {
    auto program = []() -> rf::task<> {
        const int file = simulated_kernel::here().make_file("x");
        auto work = []() -> rf::task<> { co_await rf::sleep_for(1ms); };
        auto clean = [file]() -> rf::task<> {
            co_await rf::sleep_for(1ms);
            (void)simulated_kernel::here().close_now(file);
        };
        co_await rf::finally(work, clean);
    };
    cancel_point_options options;
    options.variants = injection::in_cleanup | injection::by_parent;
    const cancel_point_report shielded = for_each_cancel_point(program, options);
    CHECK_MESSAGE(shielded.ok(), shielded.failure);
    CHECK(shielded.cancels > 0);
#if RF_EXCEPTIONS
    // The shield's own limit is what can end it; that it passed is an exception.
    options.variants = rf::leakcheck::all_cancels;
    CHECK(has(for_each_cancel_point(program, options).failure, "left open"));
#endif
}

TEST_CASE("cancel points: a program that unwinds too slowly is found") {
    auto program = []() -> rf::task<> {
        auto work = []() -> rf::task<> { co_await rf::sleep_for(1ms); };
        auto clean = []() -> rf::task<> { co_await rf::sleep_for(2min); };
        co_await rf::finally(work, clean, {.limit = 5min});
    };
    cancel_point_options options;
    options.variants = injection::cancel_wins | injection::by_parent;
    CHECK(has(for_each_cancel_point(program, options).failure, "of virtual time to end"));
    options.unwind_max = 3min;
    CHECK(for_each_cancel_point(program, options).ok());
}

#if RF_EXCEPTIONS
TEST_CASE("cancel points: each request fails with each error of its kind") {
    std::set<int> failures;
    auto talk = [](int first, int second) -> rf::task<> {
        auto here = rf::io::pipe_reader::from_descriptor(first);
        auto there = rf::io::pipe_writer::from_descriptor(second);
        co_await there.write_all("0123456789");
        std::byte got[10];
        std::size_t size = 0;
        while (size < sizeof got) {
            const std::size_t more = co_await here.read_some(std::span(got).subspan(size));
            if (more == 0) co_return;
            size += more;
        }
    };
    auto program = [&]() -> rf::task<> {
        const auto pair = simulated_kernel::here().make_pipe();
        try {
            co_await talk(pair.first, pair.second);
        } catch (const rf::io_error& failure) {
            failures.insert(failure.error().code());
        }
    };
    cancel_point_options options;
    options.variants = injection::error | injection::short_transfer;
    const cancel_point_report report = for_each_cancel_point(program, options);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(failures.contains(EPIPE));
    CHECK(failures.contains(EIO));
    CHECK_FALSE(failures.contains(ECONNRESET));  // which no pipe knows
    CHECK(report.faults >= 7);
    MESSAGE(report.coverage());
}

TEST_CASE("cancel points: a program that leaks when its disk quota is used up is found") {
    auto program = []() -> rf::task<> {
        auto log = rf::io::file::from_descriptor(simulated_kernel::here().make_file(), "log");
        const int lock = simulated_kernel::here().make_eventfd();
        try {
            co_await log.write_all_at(0, "0123456789");
        } catch (const rf::io_error& failure) {
            if (failure.error().code() == EDQUOT) co_return;  // planted: the lock stays
        }
        (void)simulated_kernel::here().close_now(lock);
    };
    cancel_point_options options;
    options.variants = injection::error;
    const cancel_point_report report = for_each_cancel_point(program, options);
    CHECK_MESSAGE(has(report.failure, "number 1 failed with EDQUOT: descriptors were"),
                  report.failure);
    options.replay = report.token;
    CHECK(has(for_each_cancel_point(program, options).failure, "were left open"));
}

TEST_CASE("cancel points: a program that waits for ever when a poll fails is found") {
    auto watch = [](int fd, rf::sync::event& readable) -> rf::task<> {
        auto source = rf::io::poll_fd::borrow(fd);
        try {
            (void)co_await source.wait_readable();
        } catch (const rf::io_error&) {
            co_return;  // planted: whoever waits is not told
        }
        readable.set();
    };
    auto program = [&]() -> rf::task<> {
        const int fd = simulated_kernel::here().make_eventfd(1);
        rf::sync::event readable;
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(watch, fd, std::ref(readable));
            co_await readable.wait();
        });
        (void)simulated_kernel::here().close_now(fd);
    };
    cancel_point_options options;
    options.variants = injection::error;
    const cancel_point_report report = for_each_cancel_point(program, options);
    CHECK_MESSAGE(has(report.failure, "failed with ENOMEM"), report.failure);
    CHECK(has(report.failure, "PROVEN quiescent"));
}

TEST_CASE("cancel points: of many requests alike the first 16 fail in all ways, the rest in one") {
    auto program = []() -> rf::task<> {
        auto log = rf::io::file::from_descriptor(simulated_kernel::here().make_file(), "log");
        for (std::uint64_t i = 0; i < 20; ++i)
            co_await log.write_all_at(i, "0");
    };
    cancel_point_options options;
    options.variants = injection::error;
    const cancel_point_report report = for_each_cancel_point(program, options);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.faults == 16 * 5 + 4);
}

TEST_CASE("cancel points: a frame that cannot be had leaves nothing behind") {
    cancel_point_options options;
    options.variants = injection::no_memory;
    const cancel_point_report report = for_each_cancel_point(sound_program, options);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.faults > 5);
}
#endif

TEST_CASE("cancel points: a program that is not the same each time is refused") {
    int calls = 0;
    auto program = [&calls]() -> rf::task<> {
        for (int i = ++calls; i < 4; ++i)
            co_await rf::sleep_for(1ms);
    };
    CHECK(has(for_each_cancel_point(program).failure, "this run was not the same up to there"));
}

TEST_CASE("cancel points: a token of another build, or not of this, is refused in one sentence") {
    cancel_point_options options;
    options.replay = for_each_cancel_point(leaks_when_cancelled).token;
    CHECK_FALSE(for_each_cancel_point(leaks_when_cancelled, options).ok());
    const auto refused = [&](std::string_view words) {
        const cancel_point_report report = for_each_cancel_point(leaks_when_cancelled, options);
        INFO(report.failure);
        CHECK(report.runs == 0);
        CHECK(report.failure.find(words) != report.failure.npos);
        CHECK(report.failure.find('\n') == report.failure.size() - 1);
    };
    options.replay[0] = options.replay[0] == 'a' ? 'b' : 'a';
    refused("is of another build than this program");
    options.replay = rf::leakcheck::bubble([]() -> rf::task<> { co_return; }).token;
    refused("is not one of for_each_cancel_point; give it to bubble()");
}
