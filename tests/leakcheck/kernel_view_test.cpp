// SPDX-License-Identifier: MIT
#include "tests/support/has.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/io/pipe.hpp>
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/leakcheck/kernel_view.hpp>
#include <ringfence/leakcheck/resource_table.hpp>
#include <ringfence/runtime/detail/uring_driver.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace std::chrono_literals;
using rf::resource_kind;
using rf::leakcheck::kernel_reconciliation;
using rf::leakcheck::resource_table;
using rf::leakcheck::ring_view;
using rf::test::has;

namespace {

rf::task<> read_once(rf::io::pipe_reader& from) {
    std::byte one[1];
    (void)co_await from.read_some(one);
}

const rf::detail::uring_files& slots() {
    return static_cast<const rf::detail::uring_driver&>(rf::loop::here().kernel()).files();
}

/// While it lives, the process can open nothing.
class no_more_descriptors {
public:
    no_more_descriptors() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit none{0, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    }
    ~no_more_descriptors() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

/// Puts `fd` into a slot of the loop's ring behind its back; -1 empties it.
void put_into_slot(std::uint32_t slot, int fd) {
    io_uring_files_update change{};
    change.offset = slot;
    change.fds = reinterpret_cast<std::uintptr_t>(&fd);
    const int ring = rf::loop::here().kernel().ring_descriptor();
    CHECK(::syscall(__NR_io_uring_register, ring, IORING_REGISTER_FILES_UPDATE, &change, 1) == 1);
}

/// Sends by request until both sockets have slots of the ring.
rf::task<> talk(rf::io::unix_stream& left, rf::io::unix_stream& right) {
    for (int i = 0; i < 8; ++i) {
        const std::array byte{std::byte{1}};
        co_await left.write_all(byte);
        const rf::io::chunk there = co_await right.read();
        REQUIRE(there.size() == 1);
        co_await right.write_all(byte);
        const rf::io::chunk back = co_await left.read();
        REQUIRE(back.size() == 1);
    }
}

/// Runs `fn` beside a neighbour that keeps the loop from being lonely, so that sends are requests.
void run_with_neighbour(rf::task<> (*fn)()) {
    rf::test::run_real([fn]() -> rf::task<> {
        if (!rf::loop::here().kernel().features().fixed_files) {
            MESSAGE("this kernel keeps no sockets in slots");
            co_return;
        }
        co_await rf::with_nursery([&fn](rf::nursery& home) -> rf::task<> {
            home.spawn_service([]() -> rf::task<> {
                for (;;)
                    co_await rf::this_task::yield();
            });
            co_await fn();
        });
    });
}

}  // namespace

TEST_CASE("kernel_view: the fdinfo of a ring is understood, part by part") {
    ring_view view;
    REQUIRE(view.parse("pos:\t0\nSqHead:\t3\nSqTail:\t5\nCqHead:\t1\nCqTail:\t4\nSQEs:\t0\n"
                       "CQEs:\t1\n    0: user_data:9, res:0, flag:0\n"
                       "UserFiles:\t16\n    0: <none>\n    3: pipe:[4711]\n   12: /a b\n"
                       "UserBufs:\t2\n    0: <none>\n    1: 0x7f0388af1000/8192\n"
                       "PollList:\n  op=22, task_works=0\n  op=6, task_works=0\n  op=22, "
                       "task_works=0\nCqOverflowList:\n  user_data=7, res=1, flags=0\n"
                       "NAPI:\tdisabled\n"));
    CHECK(view.unsubmitted == 2);
    CHECK(view.unreaped == 3);
    CHECK(view.files == 16);
    CHECK(view.files_held ==
          std::map<std::uint32_t, std::string>{{3, "pipe:[4711]"}, {12, "/a b"}});
    CHECK(view.buffers == 2);
    CHECK(view.buffers_held == 1);
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

TEST_CASE("kernel_view: sockets in slots of the ring agree with the kernel, open and closed") {
    run_with_neighbour([]() -> rf::task<> {
        kernel_reconciliation books;
        for (int round = 0; round < 3; ++round) {
            auto [left, right] = rf::io::unix_stream::pair();
            co_await talk(left, right);
            REQUIRE(slots().held().size() == 2);
            CHECK(books.findings() == "");
            left.close();
            CHECK(slots().held().size() == 1);
            right.close();
        }
        CHECK(slots().slots() != 0);
        co_await rf::sleep_for(20ms);
        CHECK(books.findings() == "");
    });
}

TEST_CASE("kernel_view: a file in a slot that no object has put there is named with its slot") {
    run_with_neighbour([]() -> rf::task<> {
        rf::io::pipe_ends ends = rf::io::make_pipe();
        auto [left, right] = rf::io::unix_stream::pair();
        co_await talk(left, right);
        kernel_reconciliation books;
        put_into_slot(9, ends.reader.native_handle());
        const std::string said = books.findings();
        CHECK(has(said, "slot 9 of the ring's registered files holds pipe:["));
        CHECK(std::ranges::count(said, '\n') == 1);
        put_into_slot(9, -1);
        CHECK(books.findings() == "");
    });
}

TEST_CASE("kernel_view: a slot that somebody else has emptied is named") {
    run_with_neighbour([]() -> rf::task<> {
        auto [left, right] = rf::io::unix_stream::pair();
        co_await talk(left, right);
        kernel_reconciliation books;
        const std::uint32_t slot = slots().held().back();
        put_into_slot(slot, -1);
        CHECK(has(books.findings(), "is empty, and an object here has its descriptor in it"));
    });
}

TEST_CASE("kernel_view: a table of files of another size than the driver's is told with both") {
    ring_view view;
    REQUIRE(view.parse("CqTail:\t0\nUserFiles:\t4\nUserBufs:\t0\n"));
    CHECK(kernel_reconciliation::compare(view, {}, {4, {}}) == "");
    const std::string said = kernel_reconciliation::compare(view, {}, {16, {3}});
    CHECK(has(said, "has 4 slots, and its loop made 16"));
    CHECK(has(said, "slot 3 of the ring's registered files is empty"));
}

TEST_CASE("kernel_view: registered buffers are told with the size of their table") {
    ring_view view;
    REQUIRE(view.parse("CqTail:\t0\nUserBufs:\t2\n    0: <none>\n    1: 0x7f0388af1000/8192\n"));
    CHECK(has(kernel_reconciliation::compare(view, {}), "1 registered buffers in a table of 2"));
}

TEST_CASE("kernel_view: where /proc cannot be read, one sentence says what was not compared") {
    rf::test::run_real([]() -> rf::task<> {
        rf::io::pipe_ends ends = rf::io::make_pipe();
        const kernel_reconciliation books;
        std::string said;
        std::string blind;
        {
            const no_more_descriptors full;
            said = books.findings();
            const kernel_reconciliation late;
            blind = late.findings();
        }
        CHECK(said == blind);
        CHECK(has(said, "descriptors and ring were not compared with the kernel's books: "
                        "/proc/self/fd cannot be read (Too many open files)"));
        CHECK(std::ranges::count(said, '\n') == 1);
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
