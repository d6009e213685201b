// SPDX-License-Identifier: MIT
#include <ringfence/io/serve.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <algorithm>
#include <csignal>
#include <tests/io/socket_test.hpp>

using namespace socket_test;
using namespace std::chrono_literals;

namespace {

using rf::io::tcp_listener;
using rf::io::tcp_stream;

rf::task<> echo(tcp_stream peer) {
    while (auto chunk = co_await peer.read())
        co_await peer.write_all(chunk);
}

rf::task<std::string> ask(rf::io::endpoint server, std::string text) {
    tcp_stream peer = co_await tcp_stream::connect(server);
    co_await peer.write_all(text);
    co_await peer.shutdown_write();
    std::string answer;
    while (auto chunk = co_await peer.read())
        answer += chunk.text();
    co_return answer;
}

// Runs `client(server's address)` beside a server, and cancels the server when it is done.
template <class Handler, class Client>
rf::task<> with_server(Handler handler, rf::io::serve_options options, Client client) {
    auto listener = tcp_listener::bind({"127.0.0.1", 0});
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&] { return rf::io::serve(listener, handler, options); });
        co_await client(listener.local());
        both.cancel("the client is done");
    });
}

}  // namespace

TEST_CASE("serve: every connection is answered") {
    run_ok([]() -> rf::task<> {
        auto client = [](rf::io::endpoint server) -> rf::task<> {
            for (int i = 0; i < 50; ++i) {
                const std::string text = "message " + std::to_string(i);
                const std::string answer = co_await ask(server, text);
                CHECK(answer == text);
            }
        };
        co_await with_server(echo, {}, client);
    });
}

TEST_CASE("serve: no more than max_connections at a time; the others wait and are served") {
    run_ok([]() -> rf::task<> {
        static int live = 0;
        static int most = 0;
        live = most = 0;
        auto counting = [](tcp_stream peer) -> rf::task<> {
            most = std::max(most, ++live);
            auto chunk = co_await peer.read();
            co_await rf::this_task::yield();
            co_await peer.write_all(chunk);
            --live;
        };
        auto client = [](rf::io::endpoint server) -> rf::task<> {
            int answered = 0;
            co_await rf::with_nursery([&](rf::nursery& clients) -> rf::task<> {
                for (int i = 0; i < 20; ++i)
                    clients.spawn(
                        [](rf::io::endpoint to, int* done) -> rf::task<> {
                            const std::string answer = co_await ask(to, "x");
                            CHECK(answer == "x");
                            ++*done;
                        },
                        server, &answered);
                co_return;
            });
            CHECK(answered == 20);
        };
        co_await with_server(counting, {.max_connections = 3}, client);
        CHECK(most <= 3);
        CHECK(most > 1);
    });
}

#if RF_EXCEPTIONS
TEST_CASE("serve: the failure of one connection is its own") {
    run_ok([]() -> rf::task<> {
        static int heard = 0;
        heard = 0;
        auto fragile = [](tcp_stream peer) -> rf::task<> {
            auto chunk = co_await peer.read();
            if (chunk.text() == "fail") throw std::runtime_error("as asked");
            co_await peer.write_all(chunk);
        };
        auto client = [](rf::io::endpoint server) -> rf::task<> {
            for (int i = 0; i < 5; ++i) {
                const std::string none = co_await ask(server, "fail");
                CHECK(none.empty());
                const std::string answer = co_await ask(server, "work");
                CHECK(answer == "work");
            }
        };
        co_await with_server(fragile, {.on_error = [](const rf::child_failure&) { ++heard; }},
                             client);
        CHECK(heard == 5);
    });
}
#endif

TEST_CASE("serve: draining ends silent connections and lets busy ones finish") {
    run_ok([]() -> rf::task<> {
        static bool finished = false;
        finished = false;
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        auto slow_answer = [](tcp_stream peer) -> rf::task<> {
            auto chunk = co_await peer.read();
            if (!chunk) co_return;
            for (int i = 0; i < 100; ++i)
                co_await rf::this_task::yield();
            co_await peer.write_all(chunk);
            finished = true;
        };
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&] { return rf::io::serve(listener, slow_answer); });
            tcp_stream silent = co_await tcp_stream::connect(listener.local());
            tcp_stream busy = co_await tcp_stream::connect(listener.local());
            co_await busy.write_all("question");
            while (rf::loop::here().account().buffers == 0)
                co_await rf::this_task::yield();
            both.drain();
            auto nothing = co_await silent.read();
            CHECK(!nothing);
            auto answer = co_await busy.read();
            CHECK(answer.text() == "question");
        });
        CHECK(finished);
    });
}

TEST_CASE("serve: what has not finished after the grace of a drain is cancelled") {
    run_ok([]() -> rf::task<> {
        static bool unwound = false;
        unwound = false;
        struct mark {
            ~mark() { unwound = rf::this_task::unwinding(); }
        };
        auto stubborn = []([[maybe_unused]] tcp_stream peer) -> rf::task<> {
            mark here;
            co_await rf::sleep_forever();
        };
        auto listener = tcp_listener::bind({"127.0.0.1", 0});
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&] { return rf::io::serve(listener, stubborn, {.drain_grace = 1ms}); });
            tcp_stream peer = co_await tcp_stream::connect(listener.local());
            while (rf::loop::here().account().tasks_live < 3)
                co_await rf::this_task::yield();
            both.drain();
            auto end = co_await peer.read();
            CHECK(!end);
        });
        CHECK(unwound);
    });
}

TEST_CASE("serve: the first stop signal drains, and the run ends with 0") {
    const rf::run_report report = rf::run_and_report(
        []() -> rf::task<> {
            auto listener = tcp_listener::bind({"127.0.0.1", 0});
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&] { return rf::io::serve(listener, echo); });
                tcp_stream peer = co_await tcp_stream::connect(listener.local());
                co_await peer.write_all("x");
                auto answer = co_await peer.read();
                CHECK(answer.text() == "x");
                std::raise(SIGTERM);
                auto end = co_await peer.read();
                CHECK(!end);
            });
        },
        {.stop_on = {SIGTERM}});
    CHECK(report.status == 0);
    CHECK(report.stopped_by == SIGTERM);
    CHECK(report.leaks.empty());
}
