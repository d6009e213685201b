// SPDX-License-Identifier: MIT
#include <ringfence/runtime/cancel_scope.hpp>

#include <cerrno>
#include <filesystem>
#include <tests/io/socket_test.hpp>
#include <unistd.h>

using namespace socket_test;
using namespace std::chrono_literals;
using rf::io::endpoint;
using rf::io::tcp_listener;
using rf::io::tcp_stream;
using rf::io::unix_endpoint;
using rf::io::unix_listener;
using rf::io::unix_stream;

#if RF_EXCEPTIONS
namespace {

// A port of this machine on which nobody listens.
rf::task<endpoint> dead_end() {
    auto listener = tcp_listener::bind({"127.0.0.1", 0});
    const endpoint nobody = listener.local();
    listener.close();
    // The kernel lets go of a socket on its way out of the call that closed it.
    while (rf::loop::here().account().operations != 0)
        co_await rf::this_task::yield();
    co_return nobody;
}

// A unix socket whose backlog is full: connecting waits until somebody accepts.
struct clogged {
    unix_endpoint name{"@ringfence-connect-test-" + std::to_string(::getpid())};
    unix_listener listener = unix_listener::bind(name, 0);
    std::vector<unix_stream> fill;
};

rf::task<> clog(clogged& queue) {
    for (;;) {
        rf::cancel_scope scope;
        scope.set_timeout(2ms);
        auto made = co_await scope.run(unix_stream::connect(queue.name));
        if (!made) co_return;
        queue.fill.push_back(std::move(*made));
    }
}

}  // namespace

TEST_CASE("connect: a refusal names the peer") {
    run_ok([]() -> rf::task<> {
        const endpoint nobody = co_await dead_end();
        std::string text;
        try {
            auto peer = co_await tcp_stream::connect(nobody);
        } catch (const rf::io_error& error) {
            text = error.what();
        }
        CHECK(text.find("ECONNREFUSED") != text.npos);
        CHECK(text.find(nobody.to_string()) != text.npos);
    });
}

TEST_CASE("connect: a timeout around it closes the socket") {
    run_ok([]() -> rf::task<> {
        clogged queue;
        co_await clog(queue);
        bool timed_out = false;
        try {
            auto peer = co_await rf::with_timeout(1ms, unix_stream::connect(queue.name));
        } catch (const rf::timeout_error&) {
            timed_out = true;
        }
        CHECK(timed_out);
    });
}

TEST_CASE("connect_any: the next address is tried when the first refuses") {
    run_ok([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        std::vector<endpoint> peers;
        peers.push_back(co_await dead_end());
        peers.push_back(listener.local());
        tcp_stream made = co_await rf::io::connect_any(peers);
        CHECK(made.peer() == listener.local());
    });
}

TEST_CASE("connect_any: the next address is tried beside one that does not answer") {
    run_ok([]() -> rf::task<> {
        // A full backlog: the kernel drops what asks for a connection.
        auto silent = tcp_listener::bind({"127.0.0.1", 0}, {.backlog = 0});
        std::vector<tcp_stream> fill;
        for (bool answers = true; answers;) {
            auto made = co_await rf::move_on_after(20ms, tcp_stream::connect(silent.local()));
            answers = made.has_value();
            if (answers) fill.push_back(std::move(*made));
        }
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        std::vector<endpoint> peers;
        peers.push_back(silent.local());
        peers.push_back(silent.local());
        peers.push_back(listener.local());
        const std::uint64_t descriptors = rf::loop::here().account().descriptors;
        const auto start = rf::clock::now();
        tcp_stream made = co_await rf::io::connect_any(peers, {.attempt_delay = 5ms});
        CHECK(made.peer() == listener.local());
        CHECK(rf::clock::now() - start >= 10ms);
        // The others are closed.
        CHECK(rf::loop::here().account().descriptors == descriptors + 1);
    });
}

TEST_CASE("connect_any: throws the first failure when no address answers") {
    run_ok([]() -> rf::task<> {
        std::vector<endpoint> peers;
        peers.push_back(co_await dead_end());
        peers.push_back(co_await dead_end());
        const std::string first = peers.front().to_string();
        std::string text;
        try {
            auto made = co_await rf::io::connect_any(peers);
        } catch (const rf::io_error& error) {
            text = error.what();
        }
        CHECK(text.find("ECONNREFUSED") != text.npos);
        CHECK(text.find(first) != text.npos);
        text.clear();
        try {
            auto made = co_await rf::io::connect_any({});
        } catch (const rf::io_error& error) {
            text = error.what();
        }
        CHECK(text.find("empty list") != text.npos);
    });
}

TEST_CASE("unix socket: names too long or in use are refused by name, a path goes with it") {
    run_ok([]() -> rf::task<> {
        CHECK_THROWS_WITH_AS(unix_endpoint(std::string(108, 'x')),
                             doctest::Contains("ENAMETOOLONG"), rf::io_error);
        CHECK_THROWS_WITH_AS(unix_endpoint(""), doctest::Contains("empty"), rf::io_error);
        const std::string path = (std::filesystem::temp_directory_path() /
                                  ("ringfence-unix-" + std::to_string(::getpid())))
                                     .string();
        {
            auto listener = unix_listener::bind(unix_endpoint(path));
            CHECK(std::filesystem::exists(path));
            CHECK_THROWS_WITH_AS((void)unix_listener::bind(unix_endpoint(path)),
                                 doctest::Contains(path.c_str()), rf::io_error);
            unix_stream client = co_await unix_stream::connect(unix_endpoint(path));
            unix_stream server = co_await listener.accept();
            co_await client.write_all("hello");
            auto chunk = co_await server.read();
            CHECK(chunk.text() == "hello");
        }
        CHECK_FALSE(std::filesystem::exists(path));
    });
}
#endif

TEST_CASE("connect: cancelled at any moment, it either has a connection or none") {
    run_ok([]() -> rf::task<> {
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        int made = 0;
        int cancelled = 0;
        std::minstd_rand random(5);
        for (int i = 0; i < rounds(2'000); ++i) {
            rf::cancel_scope scope;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn(
                    [](rf::cancel_scope* target, unsigned turns) -> rf::task<> {
                        for (; turns != 0; --turns)
                            co_await rf::this_task::yield();
                        target->cancel();
                    },
                    &scope, static_cast<unsigned>(random() % 8));
                if (random() % 4 == 0) scope.cancel("before it began");
                auto peer = co_await scope.run(tcp_stream::connect(listener.local()));
                if (peer) {
                    ++made;
                    peer->abort();
                    tcp_stream other = co_await listener.accept();
                } else {
                    ++cancelled;
                    // The handshake may have been done all the same: somebody has to take it.
                    co_await rf::move_on_after(0ms, listener.accept());
                }
            });
        }
        MESSAGE("made ", made, ", cancelled ", cancelled);
        CHECK(made + cancelled == rounds(2'000));
        CHECK(cancelled > 0);
    });
}
