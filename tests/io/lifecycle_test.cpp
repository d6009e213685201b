// SPDX-License-Identifier: MIT
// Law 6 on the real kernel: whatever is under way when a run ends, or when an object goes.
#include "tests/io/masked_run.hpp"
#include "tests/io/real_run.hpp"
#include "tests/io/socket_test.hpp"
#include <ringfence/io/file.hpp>
#include <ringfence/io/pipe.hpp>
#include <ringfence/io/poll_fd.hpp>
#include <ringfence/io/process.hpp>
#include <ringfence/io/signal_set.hpp>
#include <ringfence/io/udp_socket.hpp>
#include <ringfence/runtime/scope_guard.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <set>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace socket_test;
using namespace std::chrono_literals;

namespace {

/// Through the kernel and back, so that what was submitted before is there.
rf::task<> round_trip() {
    auto ends = rf::io::make_pipe();
    std::array<std::byte, 1> byte{};
    for (int i = 0; i < 3; ++i) {
        co_await ends.writer.write_all(byte);
        (void)co_await ends.reader.read_some(byte);
    }
}

rf::task<> stuck_in_accept() {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    auto peer = co_await listener.accept();
}
rf::task<> stuck_in_read() {
    auto ends = rf::io::unix_stream::pair();
    auto got = co_await ends.first.read();
}
rf::task<> stuck_in_read_some() {
    auto ends = rf::io::unix_stream::pair();
    std::array<std::byte, 8> own;
    (void)co_await ends.first.read_some(own);
}
rf::task<> stuck_in_write() {
    auto ends = rf::io::unix_stream::pair();
    const std::string much(8'000'000, 'x');
    co_await ends.first.write_all(much);
}
rf::task<> stuck_in_datagram() {
    auto socket = rf::io::udp_socket::bind({"127.0.0.1", 0});
    std::array<std::byte, 8> own;
    (void)co_await socket.receive_from(own);
}
rf::task<> stuck_in_pipe() {
    auto ends = rf::io::make_pipe();
    std::array<std::byte, 8> own;
    (void)co_await ends.reader.read_some(own);
}
rf::task<> stuck_in_poll() {
    const int counter = ::eventfd(0, EFD_CLOEXEC);
    const rf::scope_exit closing([counter] { ::close(counter); });
    auto polled = rf::io::poll_fd::borrow(counter);
    co_await polled.wait_readable();
}
rf::task<> stuck_in_signal() {
    rf::io::signal_set signals({SIGUSR1});
    (void)co_await signals.next();
}
rf::task<> stuck_in_process() {
    auto child = rf::io::process::spawn({"sleep", "1000"});
    (void)co_await child.wait();
}
// A thread of the kernel stands still until somebody opens the other end. With O_CREAT, because
// others are tried with O_NONBLOCK first, which a FIFO grants at once.
rf::task<> stuck_in_open() {
    const test::temporary_folder folder;
    const std::string path = folder / "nobody-writes";
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    auto nothing = co_await rf::io::file::open(path, {.create = true});
}
rf::task<> stuck_in_timer() { co_await rf::sleep_forever(); }

}  // namespace

TEST_CASE("run: whatever is in the kernel when the program ends is over when the run is") {
    socket_test::on_each_kernel([] {
        test::run_clean([]() -> rf::task<> {
            rf::nursery& home = rf::root_nursery();
            for (auto* stuck : {stuck_in_accept, stuck_in_read, stuck_in_read_some, stuck_in_write,
                                stuck_in_datagram, stuck_in_pipe, stuck_in_poll, stuck_in_signal,
                                stuck_in_process, stuck_in_open, stuck_in_timer})
                home.spawn_service(stuck);
            co_await round_trip();
            CHECK(rf::loop::here().account().operations >= 9);
            CHECK(rf::loop::here().account().tasks_live == 12);
        });
    });
}

TEST_CASE("stream: one closed with a receive armed takes nothing from the next of its number") {
    socket_test::on_each_kernel([] {
        run_ok([]() -> rf::task<> {
            std::set<int> seen;
            int reused = 0;
            for (int i = 0; i < rounds(300); ++i) {
                auto old = rf::io::unix_stream::pair();
                (void)co_await rf::move_on_after(1us, old.second.read());
                co_await old.first.write_all("stale");
                seen.insert(old.second.native_handle());
                old.second.close();
                if (i % 3 != 0) co_await round_trip();
                auto fresh = rf::io::unix_stream::pair();
                reused += static_cast<int>(seen.contains(fresh.second.native_handle()));
                co_await fresh.first.write_all("fresh");
                auto got = co_await fresh.second.read();
                CHECK(got.text() == "fresh");
            }
            CHECK(reused > 0);
        });
    });
}

TEST_CASE("run: a program may exit from inside, whatever the kernel has in hand") {
    socket_test::on_each_kernel([] {
        const auto end = rf::test::run_to_death([] {
            (void)rf::run([]() -> rf::task<> {
                rf::nursery& home = rf::root_nursery();
                for (auto* stuck : {stuck_in_accept, stuck_in_read, stuck_in_read_some,
                                    stuck_in_write, stuck_in_poll, stuck_in_timer})
                    home.spawn_service(stuck);
                co_await round_trip();
                std::exit(3);
            });
        });
        CHECK(end.status == 3);
        CHECK_MESSAGE(end.said == "", end.said);
    });
}
