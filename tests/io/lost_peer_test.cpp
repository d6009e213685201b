// SPDX-License-Identifier: MIT
// Peers that go at every stage of a connection, and peers that go without a word: each is told by
// the operation that meets it.
#include <ringfence/runtime/result.hpp>

#include <array>
#include <cerrno>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <tests/io/socket_test.hpp>

using namespace socket_test;
using namespace std::chrono_literals;

namespace {

int option_of(int fd, int level, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    REQUIRE(::getsockopt(fd, level, name, &value, &size) == 0);
    return value;
}

}  // namespace

#if RF_EXCEPTIONS
namespace {

using rf::io::tcp_listener;
using rf::io::tcp_stream;

/// What `work` throws, as text.
template <class F>
rf::task<std::string> failure_of(F work) {
    try {
        co_await work();
    } catch (const rf::io_error& error) {
        co_return std::string(error.what());
    }
    co_return std::string();
}

enum class peer { resets, reads_to_end_and_resets };

// `meet(stream)` waits for a peer that resets the connection meanwhile. Returns what it throws.
template <class F>
rf::task<std::string> reset_under(F meet, peer how = peer::resets) {
    auto ends = co_await tcp_pair();
    std::string said;
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(
            [&]() -> rf::task<> { said = co_await failure_of([&] { return meet(ends.second); }); });
        for (bool more = how == peer::reads_to_end_and_resets; more;) {
            auto asked = co_await ends.first.read();
            more = static_cast<bool>(asked);
        }
        for (int turns = 0; turns < 20; ++turns)
            co_await rf::this_task::yield();
        CHECK(said.empty());
        ends.first.abort();
    });
    CHECK_MESSAGE(said.find(ends.second.local().to_string()) != said.npos, said);
    co_return said;
}

void check_tells(const std::string& said, const char* operation) {
    CHECK_MESSAGE(said.starts_with(operation), said);
    // A socket tells of its reset once; what comes after it is a broken pipe.
    CHECK_MESSAGE((said.find("Connection reset by peer (ECONNRESET)") != said.npos ||
                   said.find("Broken pipe (EPIPE)") != said.npos),
                  said);
}

/// From now on the socket hears nothing: what is sent to it is dropped, unacknowledged.
void deafen(int fd) {
    sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{1, &drop_all};
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
}

}  // namespace

TEST_CASE("stream: a peer that resets is told at every stage by the operation that meets it") {
    run_ok([]() -> rf::task<> {
        std::string said = co_await reset_under([](tcp_stream& server) -> rf::task<> {
            auto chunk = co_await server.read();
            CHECK(chunk.size() == 0);
        });
        check_tells(said, "receive");
        said = co_await reset_under([](tcp_stream& server) -> rf::task<> {
            std::array<std::byte, 8> own;
            co_await server.read_some(own);
        });
        check_tells(said, "receive");
        said = co_await reset_under([](tcp_stream& server) -> rf::task<> {
            const std::string more_than_fits(16'000'000, 'x');
            co_await server.write_all(more_than_fits);
        });
        check_tells(said, "send");
        // Waiting for the answer, with the own half closed.
        const auto ask = [](tcp_stream& server) -> rf::task<> {
            co_await server.write_all("question");
            co_await server.shutdown_write();
            auto chunk = co_await server.read();
            CHECK(chunk.size() == 0);
        };
        said = co_await reset_under(ask, peer::reads_to_end_and_resets);
        check_tells(said, "receive");
    });
}

TEST_CASE("stream: a peer that resets before it was accepted is told by the first read") {
    run_ok([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        tcp_stream hasty = co_await tcp_stream::connect(listener.local());
        hasty.abort();
        while (rf::loop::here().account().operations != 0)
            co_await rf::this_task::yield();
        tcp_stream server = co_await listener.accept();
        const std::string said = co_await failure_of([&]() -> rf::task<> {
            auto chunk = co_await server.read();
            CHECK(chunk.size() == 0);
        });
        check_tells(said, "receive");
        // The listener goes on.
        tcp_stream next = co_await tcp_stream::connect(listener.local());
        tcp_stream other = co_await listener.accept();
        CHECK(other.peer() == next.local());
    });
}

TEST_CASE("stream: a peer that is gone without a word is given up after the time that was set") {
    run_ok([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        tcp_stream here = co_await tcp_stream::connect(listener.local(), {.give_up_after = 100ms});
        tcp_stream there = co_await listener.accept();
        deafen(there.native_handle());
        co_await here.write_all("are you there?");
        const std::string said = co_await failure_of([&]() -> rf::task<> {
            auto chunk = co_await here.read();
            CHECK(chunk.size() == 0);
        });
        CHECK_MESSAGE(said.starts_with("receive "), said);
        CHECK_MESSAGE(said.find("(ETIMEDOUT): the peer answers no more") != said.npos, said);
        CHECK(said.find(here.local().to_string()) != said.npos);
        CHECK(said.find(there.local().to_string()) != said.npos);
        there.abort();
    });
}
#endif

TEST_CASE("tcp: options reach the kernel, for both sides, and can be changed") {
    run_ok([]() -> rf::task<> {
        const rf::io::tcp_options wanted{.no_delay = false,
                                         .keep_alive = true,
                                         .send_buffer = 20'000,
                                         .receive_buffer = 30'000,
                                         .give_up_after = 8s};
        auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0}, {.accepted = wanted});
        auto client = co_await rf::io::tcp_stream::connect(listener.local(), wanted);
        auto server = co_await listener.accept();
        for (const int fd : {client.native_handle(), server.native_handle()}) {
            CHECK(option_of(fd, IPPROTO_TCP, TCP_NODELAY) == 0);
            CHECK(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
            // The kernel doubles what is asked for, for its own books.
            CHECK(option_of(fd, SOL_SOCKET, SO_SNDBUF) == 40'000);
            CHECK(option_of(fd, SOL_SOCKET, SO_RCVBUF) == 60'000);
            CHECK(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 8000);
            CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 4);
            CHECK(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 2);
        }
        client.set({});
        CHECK(option_of(client.native_handle(), IPPROTO_TCP, TCP_NODELAY) == 1);
        CHECK(option_of(client.native_handle(), SOL_SOCKET, SO_KEEPALIVE) == 0);
        CHECK(option_of(client.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT) == 0);
        client.set(wanted);
        CHECK(option_of(client.native_handle(), IPPROTO_TCP, TCP_NODELAY) == 0);
    });
}

TEST_CASE("listener: options reach the kernel") {
    run_ok([]() -> rf::task<> {
        auto one = rf::io::tcp_listener::bind({"127.0.0.1", 0}, {.reuse_port = true});
        auto two = rf::io::tcp_listener::bind(one.local(), {.reuse_port = true});
        CHECK(two.local() == one.local());
        CHECK(option_of(one.native_handle(), SOL_SOCKET, SO_REUSEADDR) == 1);
        co_return;
    });
}
