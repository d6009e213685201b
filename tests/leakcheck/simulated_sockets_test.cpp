// SPDX-License-Identifier: MIT
// Programs that make their own sockets, as users write them, on the simulated kernel.
#include "tests/support/has.hpp"
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/io/udp_socket.hpp>
#include <ringfence/io/unix_datagram.hpp>
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/leakcheck/bubble.hpp>
#include <ringfence/leakcheck/cancel_points.hpp>
#include <ringfence/leakcheck/doctest.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>
#include <ringfence/runtime/clock.hpp>
#include <ringfence/runtime/detail/io_uring.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/system_calls.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

using namespace std::chrono_literals;
using rf::io::endpoint;
using rf::io::tcp_listener;
using rf::io::tcp_stream;
using rf::leakcheck::simulated_kernel;
using rf::test::has;

namespace {

rf::task<> echo(tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk.bytes());
}

// Owns the listener: whoever would wait for an answer hears when this ends.
rf::task<> serve_two(tcp_listener listener) {
    co_await rf::with_nursery([&](rf::nursery& connections) -> rf::task<> {
        for (int i = 0; i < 2; ++i) {
            tcp_stream peer = co_await listener.accept();
            connections.spawn(echo, std::move(peer));
        }
    });
}

rf::task<> say(endpoint server, std::string_view text) {
    tcp_stream to = co_await tcp_stream::connect(server);
    co_await to.write_all(text);
    std::array<std::byte, 16> back{};
    std::size_t size = 0;
    while (size < text.size()) {
        const std::size_t got = co_await to.read_some(std::span(back).subspan(size));
        if (got == 0) co_return;  // the server has ended early
        size += got;
    }
    const std::string_view said(reinterpret_cast<const char*>(back.data()), size);
    CHECK(said == text);
}

/// Binds, accepts, connects, and exchanges data, all with what a program would use.
rf::task<> echo_server() {
    tcp_listener listener = tcp_listener::bind({"127.0.0.1", 7000});
    const endpoint server = listener.local();
    co_await rf::with_nursery([&](rf::nursery& parts) -> rf::task<> {
        parts.spawn(serve_two, std::move(listener));
        parts.spawn(say, server, std::string_view("one"));
        parts.spawn(say, server, std::string_view("two"));
        co_return;
    });
}

/// Takes a connection as a bare descriptor, and gives it back only on the way that is not
/// cancelled.
rf::task<> loses_a_connection() {
    tcp_listener listener = tcp_listener::bind({"127.0.0.1", 7000});
    const endpoint server = listener.local();
    co_await rf::with_nursery([&](rf::nursery& parts) -> rf::task<> {
        parts.spawn(say, server, std::string_view("one"));
        rf::io::descriptor_in_flight taken = co_await listener.accept_descriptor();
        const int bare = taken.take();
        co_await rf::sleep_for(1ms);
        co_await echo(tcp_stream::from_fd(bare));
    });
}

rf::leakcheck::simulated_options mischief() { return {}; }

}  // namespace

RF_TEST("simulated sockets: a server binds, accepts and talks to what connects") {
    co_await echo_server();
    CHECK(simulated_kernel::here().submitted(IORING_OP_CONNECT) == 2);
}

RF_TEST("simulated sockets: both ends know their names, and who is at the other") {
    tcp_listener listener = tcp_listener::bind({"127.0.0.1", 0});
    CHECK(listener.local().port() >= 40'000);
    tcp_stream client = co_await tcp_stream::connect(listener.local());
    tcp_stream server = co_await listener.accept();
    CHECK(client.peer() == listener.local());
    CHECK(server.local() == listener.local());
    CHECK(server.peer() == client.local());
    CHECK(client.local().address() == "127.0.0.1");
    CHECK(client.local().port() != 0);
}

RF_TEST("simulated sockets: a port that is taken is in use, until it is closed") {
    tcp_listener first = tcp_listener::bind({"127.0.0.1", 7000});
    const auto same = tcp_listener::try_bind({"127.0.0.1", 7000});
    REQUIRE(!same);
    CHECK(same.error().code() == EADDRINUSE);
    const auto any = tcp_listener::try_bind({"0.0.0.0", 7000});
    REQUIRE(!any);
    CHECK(any.error().code() == EADDRINUSE);
    CHECK(tcp_listener::try_bind({"127.0.0.2", 7000}).has_value());
    CHECK(tcp_listener::try_bind({"::1", 7000}).has_value());
    first.close();
    co_await rf::sleep_for(1ms);
    CHECK(tcp_listener::try_bind({"127.0.0.1", 7000}).has_value());
}

RF_TEST("simulated sockets: port 0 gives each listener a port of its own") {
    tcp_listener first = tcp_listener::bind({"127.0.0.1", 0});
    tcp_listener second = tcp_listener::bind({"127.0.0.1", 0});
    CHECK(first.local().port() != second.local().port());
    co_return;
}

RF_TEST("simulated sockets: listeners that share a port both get connections") {
    const rf::io::listen_options shared{.reuse_port = true};
    tcp_listener first = tcp_listener::bind({"::1", 7000}, shared);
    tcp_listener second = tcp_listener::bind({"::1", 7000}, shared);
    CHECK(!tcp_listener::try_bind({"::1", 7000}));
    const tcp_stream a = co_await tcp_stream::connect(first.local());
    const tcp_stream b = co_await tcp_stream::connect(first.local());
    const tcp_stream one = co_await first.accept();
    const tcp_stream two = co_await second.accept();
}

RF_TEST("simulated sockets: nobody listens there") {
    const auto refused = co_await tcp_stream::try_connect({"127.0.0.1", 9});
    REQUIRE(!refused);
    CHECK(refused.error().code() == ECONNREFUSED);
    tcp_listener elsewhere = tcp_listener::bind({"127.0.0.2", 9});
    const auto other = co_await tcp_stream::try_connect({"127.0.0.1", 9});
    REQUIRE(!other);
    CHECK(other.error().code() == ECONNREFUSED);
}

RF_TEST("simulated sockets: a connect that nobody answers ends with its timeout") {
    simulated_kernel::here().make_black_hole(7000);
    const auto started = rf::clock::now();
    const auto in_time = co_await rf::move_on_after(
        2s, []() -> rf::task<> { (void)co_await tcp_stream::connect({"127.0.0.1", 7000}); });
    CHECK(!in_time);
    CHECK(rf::clock::now() - started == 2s);
}

RF_TEST("simulated sockets: all options that this library sets are taken") {
    const rf::io::tcp_options all{.no_delay = true,
                                  .keep_alive = true,
                                  .send_buffer = 65'536,
                                  .receive_buffer = 65'536,
                                  .give_up_after = 10s};
    tcp_listener listener = tcp_listener::bind({"::1", 0}, {.v6_only = true, .accepted = all});
    tcp_stream client = co_await tcp_stream::connect(listener.local(), all);
    client.set({});
    (void)co_await listener.accept();
}

RF_TEST("simulated sockets: an abort is a reset to the peer") {
    tcp_listener listener = tcp_listener::bind({"127.0.0.1", 0});
    tcp_stream client = co_await tcp_stream::connect(listener.local());
    tcp_stream server = co_await listener.accept();
    server.abort();
    std::byte byte{};
    const auto got = co_await rf::as_result(client.read_some(std::span(&byte, 1)));
    REQUIRE(!got);
    CHECK(got.error().code() == ECONNRESET);
}

RF_TEST("simulated sockets: a stopped listener gives out whom it has, and refuses the next") {
    tcp_listener listener = tcp_listener::bind({"127.0.0.1", 0});
    const endpoint server = listener.local();
    const tcp_stream before = co_await tcp_stream::connect(server);
    listener.stop();
    const tcp_stream taken = co_await listener.accept();
    CHECK(taken.peer() == before.local());
    const auto after = co_await tcp_stream::try_connect(server);
    REQUIRE(!after);
    CHECK(after.error().code() == ECONNREFUSED);
    const auto last = co_await rf::as_result(listener.accept());
    CHECK(!last);
}

RF_TEST("simulated sockets: connections nobody took are closed with their listener") {
    auto listener = tcp_listener::bind({"127.0.0.1", 0});
    tcp_stream client = co_await tcp_stream::connect(listener.local());
    tcp_stream other = co_await tcp_stream::connect(listener.local());
    (void)co_await listener.accept();  // and has taken the other in advance
    listener.close();
    std::byte byte{};
    (void)co_await rf::as_result(other.read_some(std::span(&byte, 1)));
}

TEST_CASE("simulated sockets: a descriptor of the process is refused in a sentence") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    auto reads = [&]() -> rf::task<> {
        auto stream = rf::io::unix_stream::from_fd(ends[0]);
        (void)co_await rf::as_result(stream.write_all("x"));
    };
    const std::string failure = rf::leakcheck::bubble(reads).failure;
    CHECK_MESSAGE(has(failure, "send on descriptor"), failure);
    CHECK_MESSAGE(has(failure, ", unix stream opened at"), failure);
    CHECK_MESSAGE(has(failure, "simulated_sockets_test.cpp"), failure);
    CHECK_MESSAGE(has(failure, "or run the test on the real kernel with rf::run"), failure);
    CHECK(::close(ends[0]) != 0);  // its stream has closed it
    ::close(ends[1]);
}

#if RF_EXCEPTIONS
TEST_CASE("simulated sockets: udp and unix datagrams are refused in a sentence") {
    auto binds = []() -> rf::task<> {
        (void)rf::io::udp_socket::bind({"127.0.0.1", 0});
        co_return;
    };
    auto pairs = []() -> rf::task<> {
        (void)rf::io::unix_datagram::pair();
        co_return;
    };
    for (const std::string& failure :
         {rf::leakcheck::bubble(binds).failure, rf::leakcheck::bubble(pairs).failure}) {
        CHECK_MESSAGE(has(failure, "no sockets of this type: run the test on the real"), failure);
        CHECK_MESSAGE(has(failure, "type 2 was refused"), failure);
    }
}
#endif

TEST_CASE("simulated sockets: a type of socket that is not simulated is refused in a sentence") {
    auto opens = []() -> rf::task<> {
        CHECK(rf::system_calls::here().socket(AF_INET, SOCK_RAW) == -ESOCKTNOSUPPORT);
        co_return;
    };
    const std::string failure = rf::leakcheck::bubble(opens).failure;
    CHECK_MESSAGE(has(failure, "type 3 was refused"), failure);
    CHECK_MESSAGE(has(failure, "rf::run"), failure);
}

TEST_CASE("simulated sockets: schedules of a server can be explored, with mischief") {
    rf::leakcheck::bubble_options options;
    options.explore = rf::leakcheck::explore::random;
    options.budget.runs = 200;
    options.world = mischief();
    const auto report = rf::leakcheck::bubble(echo_server, options);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.runs > 20);
}

#if RF_EXCEPTIONS  // a fault is thrown
TEST_CASE("simulated sockets: every cancel point of a server is clean, and every fault") {
    const auto report = rf::leakcheck::for_each_cancel_point(echo_server);
    CHECK_MESSAGE(report.ok(), report.failure);
    CHECK(report.complete);
    CHECK(report.awaits_injected == report.awaits_executed);
    CHECK(report.faults > 10);
}
#endif

TEST_CASE("simulated sockets: a connection that a cancel leaves open is found") {
    const auto report = rf::leakcheck::for_each_cancel_point(loses_a_connection);
    CHECK(!report.ok());
    CHECK_MESSAGE(has(report.failure, "descriptors were left open"), report.failure);
    CHECK_MESSAGE(has(report.failure, "simulated_sockets_test.cpp"), report.failure);
}
