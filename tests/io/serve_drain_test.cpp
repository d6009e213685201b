// SPDX-License-Identifier: MIT
// What becomes of clients that come as a server drains: refused at once, or served.
#include "tests/io/real_run.hpp"
#include <ringfence/io/serve.hpp>

#include <algorithm>
#include <cerrno>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <tests/io/socket_test.hpp>
#include <unistd.h>

using namespace socket_test;
using rf::io::tcp_listener;
using rf::io::tcp_stream;
using rf::io::unix_endpoint;
using rf::io::unix_listener;
using rf::io::unix_stream;

namespace {

// A client of plain system calls: it is connected before anybody else has had a turn.
template <class Address>
int connect_now(const Address& to, int family) {
    const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(fd >= 0);
    REQUIRE(::connect(fd, to.data(), to.size()) == 0);
    return fd;
}

rf::task<std::string> answer_of(rf::io::stream& peer) {
    std::string answer;
    for (;;) {
        auto got = co_await rf::as_result(peer.read());
        if (!got) co_return answer + "!" + rf::errno_name(got.error().code());
        if (!*got) co_return answer;
        answer += got->text();
    }
}

// Serves `listener` with echoes, the first of which lasts until `*released`.
template <class Listener>
rf::task<> serve_until(Listener* listener, const bool* released, rf::io::serve_options options) {
    bool first = true;
    using stream_type = typename Listener::stream_type;
    auto echo = [&first, released](stream_type peer) -> rf::task<> {
        const bool busy = std::exchange(first, false);
        while (auto chunk = co_await peer.read())
            co_await peer.write_all(chunk);
        while (busy && !*released)
            co_await rf::this_task::yield();
    };
    co_await rf::io::serve(*listener, echo, options);
}

rf::task<> yields(int turns) {
    for (; turns != 0; --turns)
        co_await rf::this_task::yield();
}

}  // namespace

TEST_CASE("serve: a drain refuses new clients at once, while older ones finish") {
    test::run_clean([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        const rf::io::endpoint address = listener.local();
        bool released = false;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(serve_until<tcp_listener>, &listener, &released, rf::io::serve_options{});
            tcp_stream busy = co_await tcp_stream::connect(address);
            co_await busy.write_all("first");
            auto echoed = co_await busy.read();
            CHECK(echoed.text() == "first");
            both.drain();
            co_await yields(20);
            for (int i = 0; i < 3; ++i) {
                auto late = co_await tcp_stream::try_connect(address);
                REQUIRE(!late);
                CHECK(late.error().code() == ECONNREFUSED);
            }
            CHECK(listener.local() == address);
            released = true;
        });
    });
}

TEST_CASE("serve: who was connected before the drain is served, also from the backlog") {
    test::run_clean([]() -> rf::task<> {
        for (const std::uint32_t limit : {0u, 1u, 2u}) {
            CAPTURE(limit);
            auto listener = tcp_listener::bind({"127.0.0.1", 0});
            bool released = true;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn(serve_until<tcp_listener>, &listener, &released,
                           rf::io::serve_options{.max_connections = limit});
                tcp_stream busy = co_await tcp_stream::connect(listener.local());
                co_await yields(20);
                std::vector<tcp_stream> clients;
                for (int i = 0; i < 5; ++i) {
                    const int fd = connect_now(listener.local(), AF_INET);
                    REQUIRE(::send(fd, "hello", 5, MSG_NOSIGNAL) == 5);
                    clients.push_back(tcp_stream::from_fd(fd));
                }
                both.drain();
                for (tcp_stream& client : clients) {
                    const std::string answer = co_await answer_of(client);
                    CHECK(answer == "hello");
                }
                const std::string end = co_await answer_of(busy);
                CHECK(end.empty());
            });
            CHECK(listener.statistics().accepted == 6);
        }
    });
}

TEST_CASE("serve: a drained unix listener refuses clients and leaves its name to a successor") {
    test::run_clean([]() -> rf::task<> {
        test::temporary_folder folder;
        const unix_endpoint name(folder / "socket");
        auto listener = unix_listener::bind(name);
        bool released = true;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(serve_until<unix_listener>, &listener, &released,
                       rf::io::serve_options{.max_connections = 1});
            unix_stream busy = co_await unix_stream::connect(name);
            co_await yields(20);
            const int fd = connect_now(name, AF_UNIX);
            REQUIRE(::send(fd, "hello", 5, MSG_NOSIGNAL) == 5);
            unix_stream waiting = unix_stream::from_fd(fd);
            both.drain();
            const std::string answer = co_await answer_of(waiting);
            CHECK(answer == "hello");
            auto successor = unix_listener::bind(name);
            listener.close();
            unix_stream fresh = co_await unix_stream::connect(name);
            auto accepted = co_await successor.accept();
            co_return;
        });
    });
}

TEST_CASE("serve: clients that storm a draining server are answered or refused, none is lost") {
    for (int round = 0; round < rounds(30); ++round)
        test::run_clean([round]() -> rf::task<> {
            auto listener = tcp_listener::bind({"127.0.0.1", 0});
            int answered = 0;
            int refused = 0;
            int turned_away = 0;
            constexpr int clients_max = 40;
            auto client = [&](rf::io::endpoint to, int turns) -> rf::task<> {
                co_await yields(turns);
                auto peer = co_await tcp_stream::try_connect(to);
                if (!peer) {
                    CHECK(peer.error().code() == ECONNREFUSED);
                    ++refused;
                    co_return;
                }
                (void)co_await rf::as_result(peer->write_all("hello"));
                (void)co_await rf::as_result(peer->shutdown_write());
                const std::string answer = co_await answer_of(*peer);
                if (answer == "hello")
                    ++answered;
                else
                    ++turned_away;  // it had not spoken when the drain began
            };
            co_await rf::with_nursery([&](rf::nursery& clients) -> rf::task<> {
                bool released = true;
                co_await rf::with_nursery([&](rf::nursery& server) -> rf::task<> {
                    server.spawn(serve_until<tcp_listener>, &listener, &released,
                                 rf::io::serve_options{});
                    for (int i = 0; i < clients_max; ++i)
                        clients.spawn(client, listener.local(), i);
                    co_await yields(round % 30);
                    server.drain();
                });
            });
            CHECK(answered + refused + turned_away == clients_max);
            // One for each that was answered, and none twice.
            CHECK(listener.statistics().accepted >= static_cast<std::uint64_t>(answered));
        });
}

TEST_CASE("listener: a stopped one gives out what it had, then says why there is no more") {
    test::run_clean([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        const rf::io::endpoint address = listener.local();
        const int one = connect_now(address, AF_INET);
        const int two = connect_now(address, AF_INET);
        listener.stop();
        listener.stop();
        CHECK(listener.local() == address);
        {
            auto first = co_await listener.accept();
            auto second = co_await listener.accept();
            CHECK(first.peer().port() != second.peer().port());
        }
        for (int i = 0; i < 2; ++i) {
            auto none = co_await rf::as_result(listener.accept());
            REQUIRE(!none);
            CHECK(none.error().code() == EINVAL);
        }
#if RF_EXCEPTIONS
        const std::string said = co_await test::failure_of(listener.accept());
        CHECK(said.find("accept on " + address.to_string()) == 0);
        CHECK(said.find("the listener was stopped") != said.npos);
#endif
        auto successor = tcp_listener::bind(address);
        ::close(one);
        ::close(two);
    });
}

TEST_CASE("listener: stopping it ends an accept that waits") {
    test::run_clean([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                auto none = co_await rf::as_result(listener.accept());
                CHECK(!none);
            });
            co_await yields(5);
            listener.stop();
        });
    });
}

TEST_CASE("listener: use after close is refused") {
    const std::string said = test::abort_message([] {
        (void)rf::run([]() -> rf::task<> {
            auto listener = tcp_listener::bind({"127.0.0.1", 0});
            listener.close();
            auto peer = co_await listener.accept();
        });
    });
    CHECK(said.find("used after it was closed or moved from") != said.npos);
}
