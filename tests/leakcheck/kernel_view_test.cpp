// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include <ringfence/io/pipe.hpp>
#include <ringfence/leakcheck/kernel_view.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <unistd.h>

using namespace std::chrono_literals;
using rf::resource_kind;
using rf::leakcheck::kernel_reconciliation;
using rf::leakcheck::resource_table;
using rf::leakcheck::ring_view;

namespace {

bool has(const std::string& text, const char* words) { return text.find(words) != text.npos; }

rf::task<> read_once(rf::io::pipe_reader& from) {
    std::byte one[1];
    (void)co_await from.read_some(one);
}

}  // namespace

TEST_CASE("kernel_view: the fdinfo of a ring is understood, part by part") {
    ring_view view;
    REQUIRE(view.parse("pos:\t0\nSqHead:\t3\nSqTail:\t5\nCqHead:\t1\nCqTail:\t4\nSQEs:\t0\n"
                       "CQEs:\t1\n    0: user_data:9, res:0, flag:0\nUserFiles:\t2\nUserBufs:\t1\n"
                       "PollList:\n  op=22, task_works=0\n  op=6, task_works=0\n  op=22, "
                       "task_works=0\nCqOverflowList:\n  user_data=7, res=1, flags=0\n"
                       "NAPI:\tdisabled\n"));
    CHECK(view.unsubmitted == 2);
    CHECK(view.unreaped == 3);
    CHECK(view.files == 2);
    CHECK(view.buffers == 1);
    CHECK(view.armed_count() == 3);
    CHECK(view.armed.at(22) == 2);
    CHECK(view.overflowed == 1);
    CHECK_FALSE(view.parse("pos:\t0\nflags:\t02\n"));
}

TEST_CASE("kernel_view: a loop that closes what it opens agrees with the kernel") {
    rf::test::run_real([]() -> rf::task<> {
        kernel_reconciliation books;
        {
            rf::io::pipe_ends ends = rf::io::make_pipe();
            CHECK(books.findings() == "");
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn(read_once, std::ref(ends.reader));
                co_await rf::this_task::yield();
                CHECK(books.findings() == "");
                co_await ends.writer.write_all("x");
            });
        }
        co_await rf::sleep_for(20ms);
        CHECK(books.findings() == "");
    });
}

TEST_CASE("kernel_view: a descriptor that somebody else closed is named, at once and when closed") {
    const rf::run_report report = rf::run_and_report([]() -> rf::task<> {
        kernel_reconciliation books;
        {
            rf::io::pipe_ends ends = rf::io::make_pipe();
            ::close(ends.reader.release());
            const int kept = ends.writer.release();
            auto writer = rf::io::pipe_writer::from_descriptor(kept);
            ::close(kept);
            const std::string said = books.findings();
            CHECK(has(said, "somebody else has closed it"));
            CHECK(has(said, "kernel_view_test.cpp:"));
        }
        co_await rf::sleep_for(20ms);
        CHECK(has(books.findings(), "had been closed by somebody else"));
    });
    REQUIRE(report.faults.size() == 1);
    CHECK(has(report.faults.front(), "pipe writer"));
    CHECK(report.status == rf::exit_status_leak);
}

TEST_CASE("kernel_view: a descriptor that no object owns is named with its target") {
    rf::test::run_real([]() -> rf::task<> {
        kernel_reconciliation books;
        const int stray = ::dup(0);
        CHECK(has(books.findings(), "was opened meanwhile, and no object owns it"));
        ::close(stray);
        CHECK(books.findings() == "");
        co_return;
    });
}

TEST_CASE("resource_table: each class is listed with task, function and line") {
    rf::test::run_real([]() -> rf::task<> {
        rf::io::pipe_ends ends = rf::io::make_pipe();
        co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
            jobs.spawn(read_once, std::ref(ends.reader));
            auto slow = []() -> rf::task<> { co_await rf::sleep_for(1h); };
            jobs.spawn([slow]() -> rf::task<> { (void)co_await rf::move_on_after(2h, slow); });
            co_await rf::this_task::yield();
            const resource_table table;
            CHECK(table.count(resource_kind::task) == table.total(resource_kind::task));
            CHECK(table.count(resource_kind::descriptor) == 2);
            CHECK(table.total(resource_kind::descriptor) == 2);
            CHECK(table.count(resource_kind::timer) == 2);  // the sleep and the deadline
            CHECK(table.total(resource_kind::timer) == 2);
            const std::string text = table.describe();
            CHECK(has(text, "(pipe reader) opened at"));
            CHECK(has(text, "timer (deadline of a scope) opened at"));
            CHECK(has(text, "timer (sleep) opened at"));
            CHECK(has(text, "read_once"));
            jobs.cancel();
        });
    });
}
