// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/serve.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/runtime/run_sharded.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <sys/socket.h>
#include <vector>

using namespace std::chrono_literals;
using rf::io::descriptor_in_flight;
using rf::io::tcp_listener;
using rf::io::tcp_stream;

namespace {

constexpr std::uint32_t shard_count = 3;

/// Connections that each shard has served.
std::array<std::atomic<int>, shard_count> served;

rf::task<> echo(tcp_stream peer) {
    ++served[rf::this_shard().index()];
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<std::string> ask(tcp_stream& peer, std::string text) {
    co_await peer.write_all(text);
    std::string answer;
    while (answer.size() < text.size()) {
        auto chunk = co_await peer.read();
        if (!chunk) break;
        answer += chunk.text();
    }
    co_return answer;
}

template <class F>
rf::sharded_report run_clean_shards(F program) {
    for (auto& one : served)
        one = 0;
    const std::size_t before = test::descriptor_count();
    rf::sharded_report report = rf::run_sharded_and_report(shard_count, std::move(program));
#if RF_EXCEPTIONS
    if (report.whole.error != nullptr) std::rethrow_exception(report.whole.error);
#endif
    CHECK(report.whole.refusal == "");
    CHECK(report.shards.size() == shard_count);
    for (const rf::run_report& one : report.shards)
        CHECK(one.leaks == "");
    CHECK(test::descriptor_count() == before);
    return report;
}

/// On shard 0: `client(address)` beside a server that spreads its connections.
template <class Client>
auto beside_server(rf::io::serve_options options, Client client) {
    return [=](rf::shard here) -> rf::task<> {
        if (here.index() != 0) co_return;
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&] { return rf::io::serve(listener, echo, options); });
            co_await client(listener.local(), both);
        });
    };
}

/// `count` connections that have all been answered.
rf::task<std::vector<tcp_stream>> connect_all(rf::io::endpoint server, int count) {
    std::vector<tcp_stream> peers;
    for (int i = 0; i < count; ++i) {
        peers.push_back(co_await tcp_stream::connect(server));
        const std::string text = "message " + std::to_string(i);
        const std::string answer = co_await ask(peers.back(), text);
        CHECK(answer == text);
    }
    co_return peers;
}

}  // namespace

TEST_SUITE("serve sharded threads") {
    TEST_CASE("serve: connections are handed to all shards in turn") {
        run_clean_shards(
            beside_server({.over = rf::io::spread::round_robin},
                          [](rf::io::endpoint server, rf::nursery& both) -> rf::task<> {
                              std::vector<tcp_stream> peers = co_await connect_all(server, 12);
                              both.cancel("the client is done");
                          }));
        for (auto& one : served)
            CHECK(one == 4);
    }

    TEST_CASE("serve: connections are handed to the shard that has the fewest") {
        run_clean_shards(
            beside_server({.over = rf::io::spread::least_loaded},
                          [](rf::io::endpoint server, rf::nursery& both) -> rf::task<> {
                              std::vector<tcp_stream> peers = co_await connect_all(server, 9);
                              for (const rf::shard& each : rf::shards())
                                  CHECK(each.load() == 3);
                              both.cancel("the client is done");
                          }));
        for (auto& one : served)
            CHECK(one == 3);
    }

    TEST_CASE("serve: a drain ends silent connections on every shard") {
        run_clean_shards(
            beside_server({.over = rf::io::spread::round_robin, .drain_grace = 1h},
                          [](rf::io::endpoint server, rf::nursery& both) -> rf::task<> {
                              std::vector<tcp_stream> peers = co_await connect_all(server, 6);
                              both.drain(1h);
                              for (tcp_stream& peer : peers) {
                                  auto end = co_await peer.read();
                                  CHECK_FALSE(end);
                              }
                          }));
    }

    TEST_CASE("serve: no more than max_connections on all shards together") {
        run_clean_shards(
            beside_server({.over = rf::io::spread::round_robin, .max_connections = 2},
                          [](rf::io::endpoint server, rf::nursery& both) -> rf::task<> {
                              std::vector<tcp_stream> peers = co_await connect_all(server, 2);
                              tcp_stream third = co_await tcp_stream::connect(server);
                              std::uint64_t there = 0;
                              for (const rf::shard& each : rf::shards())
                                  there += each.load();
                              CHECK(there == 2);
                              peers.clear();
                              const std::string answer = co_await ask(third, "now");
                              CHECK(answer == "now");
                              both.cancel("the client is done");
                          }));
    }

    TEST_CASE("serve: each shard has a listener of its own on one port") {
        std::atomic<std::uint16_t> port{0};
        std::atomic<std::uint32_t> listening{0};
        run_clean_shards([&](rf::shard here) -> rf::task<> {
            while (here.index() != 0 && port == 0)
                co_await rf::sleep_for(1ms);
            auto listener = tcp_listener::bind({"127.0.0.1", port.load()}, {.reuse_port = true});
            if (here.index() == 0) port = listener.local().port();
            ++listening;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&] { return rf::io::serve(listener, echo); });
                while (listening < shard_count)
                    co_await rf::sleep_for(1ms);
                const rf::io::endpoint server("127.0.0.1", port.load());
                std::vector<tcp_stream> peers = co_await connect_all(server, 20);
                peers.clear();
                ++listening;
                while (listening < 2 * shard_count)  // the others' clients may be with us
                    co_await rf::sleep_for(1ms);
                both.cancel("the clients are done");
            });
        });
        int sum = 0;
        for (auto& one : served)
            sum += one;
        CHECK(sum == 60);
    }

    TEST_CASE("stream: released, it goes on on another shard") {
        run_clean_shards([](rf::shard here) -> rf::task<> {
            if (here.index() != 0) co_return;
            auto listener = tcp_listener::bind({"127.0.0.1", 0});
            tcp_stream client = co_await tcp_stream::connect(listener.local());
            tcp_stream accepted = co_await listener.accept();
            auto talk = [](descriptor_in_flight arrived) -> rf::task<> {
                CHECK(rf::this_shard().index() == 2);
                co_await echo(arrived.land<tcp_stream>());
            };
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                jobs.spawn_on(rf::shards()[2], talk, accepted.release());
                CHECK_FALSE(accepted);
                const std::string answer = co_await ask(client, "hello");
                CHECK(answer == "hello");
                client.close();
            });
        });
    }

    TEST_CASE("descriptor_in_flight: closed when the task it was meant for never ran") {
        run_clean_shards([](rf::shard here) -> rf::task<> {
            if (here.index() != 0) co_return;
            int pair[2] = {-1, -1};
            REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
            descriptor_in_flight first(pair[0]);
            const descriptor_in_flight second(pair[1]);
            auto talk = [](descriptor_in_flight) -> rf::task<> {
                FAIL_CHECK("it was cancelled before");
                co_return;
            };
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                auto one = jobs.async_on(rf::shards()[1], talk, std::move(first));
                one.cancel();
                co_return;
            });
            char byte = 0;
            CHECK(::recv(pair[1], &byte, 1, MSG_DONTWAIT) == 0);  // the other end is closed
        });
    }
}
