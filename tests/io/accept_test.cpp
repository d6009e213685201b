// SPDX-License-Identifier: MIT
#include "tests/io/masked_run.hpp"
#include <ringfence/io/serve.hpp>
#include <ringfence/runtime/cancel_scope.hpp>

#include <cerrno>
#include <sys/resource.h>
#include <tests/io/socket_test.hpp>
#include <unistd.h>

using namespace socket_test;
using namespace std::chrono_literals;

namespace {

struct accept_state {
    rf::cancel_scope* accepting = nullptr;
    int connected = 0;
    int accepted = 0;
    int cancels_won = 0;
    bool over = false;
};

rf::task<> connect_many(accept_state* state, rf::io::endpoint server, int count) {
    for (; state->connected < count; ++state->connected) {
        auto peer = co_await rf::io::tcp_stream::connect(server);
        peer.abort();  // without TIME_WAIT, or the ports run out
    }
    state->over = true;
}

rf::task<> cancel_accepts(accept_state* state, std::uint32_t seed) {
    std::minstd_rand random(seed);
    while (!state->over) {
        for (auto turns = random() % 20; turns != 0; --turns)
            co_await rf::this_task::yield();
        if (state->accepting != nullptr) std::exchange(state->accepting, nullptr)->cancel("race");
        co_await rf::this_task::yield();
    }
}

rf::task<> accept_under_cancel(accept_state* state, rf::io::tcp_listener* listener, int count) {
    while (state->accepted < count) {
        rf::cancel_scope scope;
        if (!state->over) state->accepting = &scope;
        auto peer = co_await scope.run(listener->accept());
        state->accepting = nullptr;
        if (peer)
            ++state->accepted;
        else
            ++state->cancels_won;
    }
}

rf::task<> race_accepts(int count) {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    accept_state state;
    co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
        all.spawn(connect_many, &state, listener.local(), count);
        all.spawn(cancel_accepts, &state, 3u);
        all.spawn(accept_under_cancel, &state, &listener, count);
        co_return;
    });
    MESSAGE("accepted ", state.accepted, ", cancels won ", state.cancels_won);
    CHECK(state.accepted == count);
    CHECK(state.cancels_won > 0);
}

}  // namespace

TEST_CASE("listener: a cancelled accept leaves the connection to the next") {
    run_ok([] { return race_accepts(rounds(5'000)); });
}

TEST_CASE("listener: a cancelled accept does so without multishot accepts too") {
    const disabled_features without("multishot_accept");
    run_ok([] { return race_accepts(rounds(1'000)); });
}

TEST_CASE("listener: connections that nobody has taken are closed with it") {
    run_ok([]() -> rf::task<> {
        auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
        std::vector<rf::io::tcp_stream> peers;
        peers.push_back(co_await rf::io::tcp_stream::connect(listener.local()));
        auto first = co_await listener.accept();
        for (int i = 0; i < 5; ++i)
            peers.push_back(co_await rf::io::tcp_stream::connect(listener.local()));
        listener.close();
        for (std::size_t i = 1; i < peers.size(); ++i) {
            auto got = co_await rf::as_result(peers[i].read());
            // Closed from the queue, or reset from the backlog.
            CHECK((!got || !*got));
        }
    });
}

TEST_CASE("listener: its port can be bound again straight after the run") {
    std::uint16_t port = 0;
    for (int i = 0; i < 20; ++i)
        run_ok([&]() -> rf::task<> {
            auto listener = rf::io::tcp_listener::bind({"127.0.0.1", port});
            port = listener.local().port();
            auto client = co_await rf::io::tcp_stream::connect(listener.local());
            auto server = co_await listener.accept();
            co_await rf::move_on_after(0ms, server.read());
        });
}

TEST_CASE("listener: running out of descriptors pauses it and loses no connection") {
    run_ok([]() -> rf::task<> {
        auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
        std::vector<rf::io::tcp_stream> clients;
        for (int i = 0; i < 4; ++i)
            clients.push_back(co_await rf::io::tcp_stream::connect(listener.local()));
        rlimit before{};
        getrlimit(RLIMIT_NOFILE, &before);
        // No descriptor above those in use can be had.
        const int next_free = ::dup(0);
        ::close(next_free);
        rlimit tight = before;
        tight.rlim_cur = static_cast<rlim_t>(next_free);
        setrlimit(RLIMIT_NOFILE, &tight);
        bool got_one = co_await rf::move_on_after(
            20ms, [&]() -> rf::task<> { auto peer = co_await listener.accept(); });
        CHECK(!got_one);
        CHECK(listener.statistics().pauses >= 1);
        setrlimit(RLIMIT_NOFILE, &before);
        std::vector<rf::io::tcp_stream> accepted;
        while (accepted.size() < clients.size())
            accepted.push_back(co_await listener.accept());
        CHECK(accepted.size() == clients.size());
    });
}

#if RF_EXCEPTIONS
TEST_CASE("listener: a port in use and a bad address are refused by name") {
    run_ok([]() -> rf::task<> {
        auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
        const std::string name = listener.local().to_string();
        CHECK_THROWS_WITH_AS((void)rf::io::tcp_listener::bind(listener.local()),
                             doctest::Contains(name.c_str()), rf::io_error);
        CHECK_THROWS_WITH_AS((void)rf::io::tcp_listener::bind(listener.local()),
                             doctest::Contains("EADDRINUSE"), rf::io_error);
        CHECK_THROWS_WITH_AS((void)rf::io::tcp_listener::bind({"192.0.2.1", 0}),
                             doctest::Contains("EADDRNOTAVAIL"), rf::io_error);
        CHECK_THROWS_WITH_AS(rf::io::endpoint("localhost", 80), doctest::Contains("\"localhost\""),
                             rf::io_error);
        co_return;
    });
}
#endif

TEST_CASE("endpoint: text is parsed strictly and printed as it was written") {
    for (const char* good : {"127.0.0.1:80", "[::1]:7000", "0.0.0.0:0"}) {
        auto parsed = rf::io::endpoint::parse(good);
        REQUIRE(parsed.has_value());
        CHECK(parsed->to_string() == good);
    }
    for (const char* bad : {"", ":", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8x",
                            "::1:80", "localhost:80", "1.2.3:4", "[::1]80"})
        CHECK_FALSE(rf::io::endpoint::parse(bad).has_value());
}
