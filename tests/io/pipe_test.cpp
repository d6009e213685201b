// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/io/pipe.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

using rf::io::make_pipe;
using rf::io::pipe_reader;
using rf::io::pipe_writer;

namespace {

rf::task<std::string> drain(pipe_reader& from) {
    std::string all;
    std::array<std::byte, 4096> part;
    for (;;) {
        const std::size_t got = co_await from.read_some(part);
        if (got == 0) break;
        all.append(reinterpret_cast<const char*>(part.data()), got);
    }
    co_return all;
}

rf::task<> send_and_close(pipe_writer& to, const std::string& text) {
    const std::size_t sent = co_await to.write_all(text);
    CHECK(sent == text.size());
    to.close();
}

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>('a' + i * i % 26);
    return text;
}

// Reads numbered bytes until the writer has sent `count`, each read raced by a cancel.
rf::task<> race_reads(int count) {
    rf::io::pipe_ends ends = make_pipe();
    int next = 0;
    int expected = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t delivered_late = 0;
    for (int round = 0; next < count; ++round) {
        rf::cancel_scope scope;
        std::array<std::byte, 8> got;
        std::optional<std::size_t> size;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                size = co_await scope.run([&]() -> rf::task<std::size_t> {
                    co_return co_await ends.reader.read_some(got);
                });
            });
            both.spawn([&]() -> rf::task<> {
                // The write and the cancel reach the kernel in one batch, in either order.
                const std::byte numbered{static_cast<unsigned char>(next)};
                if (round % 3 == 0) scope.cancel("race");
                if (round % 2 == 0 || round % 3 == 1) {
                    const auto wrote = ::write(ends.writer.native_handle(), &numbered, 1);
                    CHECK(wrote == 1);
                    ++next;
                }
                scope.cancel("race");
                co_return;
            });
            co_return;
        });
        if (size) {
            ++delivered_late;
            for (std::size_t i = 0; i < *size; ++i)
                REQUIRE(got[i] == std::byte{static_cast<unsigned char>(expected++)});
        } else {
            ++cancelled;
        }
        if (next == count) {
            ends.writer.close();
            const std::string rest = co_await drain(ends.reader);
            for (const char byte : rest)
                REQUIRE(static_cast<unsigned char>(byte) == static_cast<unsigned char>(expected++));
            REQUIRE(expected == count);
        }
    }
    // Both sides of the race were seen, or this test tests nothing.
    CHECK(cancelled > 0);
    CHECK(delivered_late > 0);
}

// A read that is refused with EAGAIN, and data that comes later.
rf::task<> read_after_eagain(rf::leakcheck::simulated_kernel& world) {
    const auto fds = world.make_pipe();
    pipe_reader reader = pipe_reader::from_descriptor(fds.first);
    world.inject(IORING_OP_READ, 1, -EAGAIN);
    world.after(std::chrono::milliseconds(20),
                [&world, fds] { world.write_now(fds.second, "hey"); });
    std::array<std::byte, 1> to;
    const std::size_t got = co_await reader.read_some(to);
    CHECK(got == 1);
    CHECK(to[0] == std::byte{'h'});
    CHECK(world.submitted(IORING_OP_POLL_ADD) == 1);
    CHECK(world.submitted(IORING_OP_READ) == 2);
    reader.close();
    world.close_now(fds.second);
}

// The same, given up after `limit`: whoever reads next gets all that was not delivered.
rf::task<> race_eagain(rf::leakcheck::simulated_kernel& world, std::chrono::microseconds limit) {
    const auto fds = world.make_pipe();
    pipe_reader reader = pipe_reader::from_descriptor(fds.first);
    world.inject(IORING_OP_READ, 1, -EAGAIN);
    world.after(std::chrono::milliseconds(2), [&world, fds] {
        world.write_now(fds.second, "numbered");
        world.close_now(fds.second);
    });
    std::array<std::byte, 8> to;
    std::string all;
    const auto first = co_await rf::move_on_after(limit, reader.read_some(to));
    if (first) {
        CHECK(*first > 0);
        all.assign(reinterpret_cast<const char*>(to.data()), *first);
    }
    all += co_await drain(reader);
    CHECK(all == "numbered");
}

}  // namespace

TEST_CASE("pipe: bytes come out in order, then the end") {
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends ends = make_pipe();
        const std::string text = pattern(1 << 20);  // far more than a pipe holds
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(send_and_close, std::ref(ends.writer), text);
            const std::string got = co_await drain(ends.reader);
            CHECK(got == text);
        });
        CHECK(ends.reader.bytes_read() == text.size());
    });
}

TEST_CASE("pipe: an empty read or write moves nothing and does not wait") {
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends ends = make_pipe();
        const std::size_t read = co_await ends.reader.read_some({});
        CHECK(read == 0);
        const std::size_t wrote = co_await ends.writer.write_all(std::string_view());
        CHECK(wrote == 0);
    });
}

TEST_CASE("pipe: writing where nobody reads is EPIPE, not a signal") {
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends ends = make_pipe();
        ends.reader.close();
        // The kernel lets go of the other end a little after the close is submitted.
        rf::error failure;
        for (int tries = 0; tries < 100 && failure.code() == 0; ++tries) {
            const auto wrote = co_await rf::as_result(ends.writer.write_all("x"));
            if (!wrote) failure = wrote.error();
        }
        CHECK(failure.message() == "pipe write: Broken pipe (EPIPE)");
    });
}

TEST_CASE("pipe: a write_all that is cancelled says how much it wrote") {
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends ends = make_pipe();
        const std::string text = pattern(1 << 20);
        const auto done =
            co_await rf::move_on_after(std::chrono::milliseconds(5), ends.writer.write_all(text));
        CHECK(!done);
        const std::uint64_t sent = ends.writer.bytes_written();
        CHECK(sent > 0);
        CHECK(sent < text.size());
        ends.writer.close();
        const std::string got = co_await drain(ends.reader);
        CHECK(got == text.substr(0, sent));
    });
}

TEST_CASE("pipe: 10,000 reads against cancels lose and reorder nothing") {
    test::run_clean([] { return race_reads(10'000); });
}

TEST_CASE("pipe: foreign non-blocking ends wait like any other") {
    test::run_clean([]() -> rf::task<> {
        int fds[2];
        REQUIRE(::pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
        pipe_reader reader = pipe_reader::from_descriptor(fds[0]);
        pipe_writer writer = pipe_writer::from_descriptor(fds[1]);
        const std::string text = pattern(1 << 20);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                const std::string got = co_await drain(reader);
                CHECK(got == text);
            });
            both.spawn(send_and_close, std::ref(writer), text);
            co_return;
        });
    });
}

TEST_CASE("pipe: a write_all that is cancelled half-way in one turn unwinds all the same") {
    test::run_clean([]() -> rf::task<> {
        rf::io::pipe_ends ends = make_pipe();
        ::fcntl(ends.writer.native_handle(), F_SETPIPE_SZ, 4096);
        const std::string text = pattern(10'000);
        rf::cancel_scope scope;
        bool finished = false;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                const auto done = co_await scope.run(ends.writer.write_all(text));
                finished = done.has_value();
            });
            // The cancel reaches the kernel behind the write, which has filled the pipe by then.
            both.spawn([&]() -> rf::task<> {
                scope.cancel("race");
                co_return;
            });
            co_return;
        });
        CHECK(!finished);
        CHECK(ends.writer.bytes_written() == 4096);
    });
}

// Kernel 6.18 gives no EAGAIN here by itself; others do.
TEST_CASE("pipe: EAGAIN is polled for and tried again") {
    rf::test::for_seeds(20, [](std::uint64_t seed) {
        rf::test::run_sim({.seed = seed}, [](rf::leakcheck::simulated_kernel& world) {
            return read_after_eagain(world);
        });
    });
}

TEST_CASE("pipe: a cancel while EAGAIN is polled for takes nothing") {
    rf::test::for_seeds(300, [](std::uint64_t seed) {
        rf::test::run_sim({.seed = seed}, [seed](rf::leakcheck::simulated_kernel& world) {
            return race_eagain(world, std::chrono::microseconds(seed % 40 * 100));
        });
    });
}

TEST_CASE("pipe: closing an end that a task reads is refused") {
    const std::string said = test::abort_message([] {
        (void)rf::run([]() -> rf::task<> {
            rf::io::pipe_ends ends = make_pipe();
            std::array<std::byte, 8> to;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> { (void)co_await ends.reader.read_some(to); });
                both.spawn([&]() -> rf::task<> {
                    ends.reader.close();
                    co_return;
                });
                co_return;
            });
        });
    });
    CHECK(said.find("closed or destroyed while a task reads or writes it") != std::string::npos);
}

TEST_CASE("pipe: use after close is refused") {
    const std::string said = test::abort_message([] {
        (void)rf::run([]() -> rf::task<> {
            rf::io::pipe_ends ends = make_pipe();
            ends.reader.close();
            std::array<std::byte, 8> to;
            (void)co_await ends.reader.read_some(to);
        });
    });
    CHECK(said.find("used after it was closed") != std::string::npos);
}

#if RF_EXCEPTIONS
TEST_CASE("pipe: at the limit of descriptors the message says what to raise") {
    test::run_clean([]() -> rf::task<> {
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        const rlimit none{0, before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &none);
        std::string said;
        try {
            (void)make_pipe();
        } catch (const rf::io_error& error) {
            said = error.what();
        }
        ::setrlimit(RLIMIT_NOFILE, &before);
        CHECK(said.find("RLIMIT_NOFILE") != std::string::npos);
        CHECK(said.find("(EMFILE)") != std::string::npos);
        co_return;
    });
}
#endif
