// SPDX-License-Identifier: MIT
// Unix sockets and pipes that programs make themselves, on the simulated kernel.
#include <ringfence/io/pipe.hpp>
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/doctest.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>

using namespace std::chrono_literals;
using rf::io::unix_listener;
using rf::io::unix_stream;

namespace {

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

#if RF_EXCEPTIONS
rf::task<int> code_of_connect(std::string name) {
    try {
        (void)co_await unix_stream::connect(rf::io::unix_endpoint(name));
    } catch (const rf::io_error& failed) {
        co_return failed.code().value();
    }
    co_return 0;
}
#endif

// Owns the listener: whoever would wait for an answer hears when this ends.
rf::task<> answer(unix_listener listener) {
    unix_stream peer = co_await listener.accept();
    auto chunk = co_await peer.read();
    co_await peer.write_all(chunk.bytes());
}

rf::task<> ask(std::string name) {
    unix_stream to = co_await unix_stream::connect(rf::io::unix_endpoint(name));
    co_await to.write_all("ping");
    auto chunk = co_await to.read();
    const std::string said = text_of(chunk.bytes());
    CHECK(std::string_view("ping").starts_with(said));  // transfers may fall short
}

rf::task<> talk_at(std::string name) {
    unix_listener listener = unix_listener::bind(rf::io::unix_endpoint(name));
    co_await rf::with_nursery([&](rf::nursery& parts) -> rf::task<> {
        parts.spawn(answer, std::move(listener));
        parts.spawn(ask, name);
        co_return;
    });
}

rf::task<> fill(rf::io::pipe_writer to) {
    for (int i = 0; i < 3; ++i)
        co_await to.write_all("0123456789");
}

rf::task<> through_a_pipe(std::uint64_t* count) {
    rf::io::pipe_ends ends = rf::io::make_pipe();
    rf::io::pipe_reader from = std::move(ends.reader);
    co_await rf::with_nursery([&](rf::nursery& parts) -> rf::task<> {
        parts.spawn(fill, std::move(ends.writer));
        std::array<std::byte, 64> bytes{};
        for (;;) {
            const std::size_t got = co_await from.read_some(bytes);
            if (got == 0) break;
        }
    });
    *count = from.bytes_read();
}

[[maybe_unused]] rf::task<> by_path_and_pair() {
    co_await talk_at("/run/simulated");
    auto [left, right] = unix_stream::pair();
    co_await left.write_all("x");
    left.close();
    auto chunk = co_await right.read();
    CHECK(text_of(chunk.bytes()) == "x");
}

}  // namespace

RF_TEST("simulated unix sockets: a server is reached by its path, and no file is made") {
    co_await talk_at("/run/simulated");
    struct ::stat about{};
    CHECK(::stat("/run/simulated", &about) != 0);
}

RF_TEST("simulated unix sockets: a server is reached by an abstract name") {
    co_await talk_at("@simulated");
    co_await rf::sleep_for(1ms);  // the kernel lets go of closed sockets a moment later
    co_await talk_at("@simulated");
}

#if RF_EXCEPTIONS
RF_TEST("simulated unix sockets: a path is in use until it is removed, and leads to one socket") {
    const int before = co_await code_of_connect("/run/simulated");
    CHECK(before == ENOENT);
    unix_listener first = unix_listener::bind(rf::io::unix_endpoint("/run/simulated"));
    CHECK_THROWS_AS((void)unix_listener::bind(rf::io::unix_endpoint("/run/simulated")),
                    rf::io_error);
    first.stop();  // removes the path
    unix_listener second = unix_listener::bind(rf::io::unix_endpoint("/run/simulated"));
    const int code = co_await code_of_connect("/run/simulated");
    CHECK(code == 0);
    (void)co_await second.accept();
    second.close();
    const int after = co_await code_of_connect("/run/simulated");
    CHECK(after == ENOENT);
}

RF_TEST("simulated unix sockets: a stopped listener gives out whom it has") {
    unix_listener listener = unix_listener::bind(rf::io::unix_endpoint("@simulated"));
    const unix_stream before = co_await unix_stream::connect(rf::io::unix_endpoint("@simulated"));
    listener.stop();
    (void)co_await listener.accept();
    const auto last = co_await rf::as_result(listener.accept());
    CHECK(!last);
    const int code = co_await code_of_connect("@simulated");
    CHECK(code == ECONNREFUSED);
}
#endif

RF_TEST("simulated pipes: what is written is read, then the end") {
    std::uint64_t count = 0;
    co_await through_a_pipe(&count);
    CHECK(count == 30);
}

#if RF_EXCEPTIONS  // a fault is thrown
TEST_CASE("simulated unix sockets: every cancel point is clean, and every fault") {
    const auto report = rf::leakcheck::for_each_cancel_point(by_path_and_pair);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.complete);
    CHECK(report.awaits_injected == report.awaits_executed);
}

TEST_CASE("simulated pipes: every cancel point is clean, and every fault") {
    std::uint64_t count = 0;
    const auto report =
        rf::leakcheck::for_each_cancel_point([&] { return through_a_pipe(&count); });
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.awaits_injected == report.awaits_executed);
}
#endif
