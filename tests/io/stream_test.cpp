// SPDX-License-Identifier: MIT
#include "tests/io/masked_run.hpp"
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/frame_pool.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <numeric>
#include <sys/socket.h>
#include <tests/io/socket_test.hpp>

using namespace socket_test;
using namespace std::chrono_literals;

namespace {

rf::task<std::vector<std::byte>> read_to_end(rf::io::stream& from) {
    std::vector<std::byte> all;
    while (auto chunk = co_await from.read())
        all.insert(all.end(), chunk.bytes().begin(), chunk.bytes().end());
    co_return all;
}

rf::task<> send_and_finish(rf::io::stream* to, const std::vector<std::byte>* what) {
    co_await to->write_all(*what);
    co_await to->shutdown_write();
}

rf::task<std::vector<std::byte>> through(rf::io::stream& from, rf::io::stream& to,
                                         const std::vector<std::byte>& what) {
    std::vector<std::byte> got;
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(send_and_finish, &from, &what);
        got = co_await read_to_end(to);
    });
    co_return got;
}

}  // namespace

TEST_CASE("stream: bytes of every size arrive whole and in order, in both directions") {
    run_ok([]() -> rf::task<> {
        for (const std::size_t size : {0u, 1u, 4095u, 16'384u, 16'385u, 1'000'000u}) {
            auto ends = co_await tcp_pair();
            std::vector<std::byte> sent;
            fill_numbered(sent, 0, size);
            const auto there = co_await through(ends.first, ends.second, sent);
            CHECK(there == sent);
            const auto back = co_await through(ends.second, ends.first, sent);
            CHECK(back == sent);
            CHECK(ends.first.bytes_sent() == size);
            CHECK(ends.second.bytes_received() == size);
        }
    });
}

TEST_CASE("stream: a vectored write sends its parts in order") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        char a[] = "one ", b[] = "two ", c[] = "three";
        const std::array<iovec, 3> parts{iovec{a, 4}, iovec{b, 4}, iovec{c, 5}};
        const std::size_t sent = co_await ends.first.write_vectored(parts);
        CHECK(sent == 13);
        co_await ends.first.shutdown_write();
        const auto got = co_await read_to_end(ends.second);
        CHECK(std::string(reinterpret_cast<const char*>(got.data()), got.size()) ==
              "one two three");
    });
}

TEST_CASE("stream: after the end has been read, further reads see the end again") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        ends.first.close();
        for (int i = 0; i < 3; ++i) {
            auto chunk = co_await ends.second.read();
            CHECK(!chunk);
            std::array<std::byte, 8> own;
            const std::size_t size = co_await ends.second.read_some(own);
            CHECK(size == 0);
        }
    });
}

TEST_CASE("stream: a read into own memory first drains what the socket has queued") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        co_await ends.first.write_all("abcdef");
        {
            auto chunk = co_await ends.second.read();
            CHECK(chunk.text() == "abcdef");
        }
        co_await ends.first.write_all("ghijkl");
        co_await ends.first.shutdown_write();
        std::string got;
        for (;;) {
            std::array<std::byte, 4> own;
            const std::size_t size = co_await ends.second.read_some(own);
            if (size == 0) break;
            got.append(reinterpret_cast<const char*>(own.data()), size);
        }
        CHECK(got == "ghijkl");
    });
}

TEST_CASE("stream: a flooding peer takes a bounded number of buffers from a slow reader") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        std::vector<std::byte> sent;
        fill_numbered(sent, 0, 3'000'000);
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(send_and_finish, &ends.first, &sent);
            std::uint64_t received = 0;
            std::uint32_t most = 0;
            bool in_order = true;
            for (;;) {
                for (int turn = 0; turn < 50; ++turn)
                    co_await rf::this_task::yield();
                auto chunk = co_await ends.second.read();
                if (!chunk) break;
                most = std::max(most, rf::io::buffer_pool::here().out());
                if (!is_numbered(chunk, received)) in_order = false;
                received += chunk.size();
            }
            CHECK(in_order);
            CHECK(received == sent.size());
            // And the one in hand.
            CHECK(most <= rf::io::detail::receiver::queue_max + 1u);
        });
    });
}

TEST_CASE("stream: readers starved of buffers go on when buffers come back") {
    rf::io::buffer_pool::configure({.count = 4, .bytes = 64});
    run_ok([]() -> rf::task<> {
        std::vector<std::pair<rf::io::tcp_stream, rf::io::tcp_stream>> pairs;
        for (int i = 0; i < 8; ++i)
            pairs.push_back(co_await tcp_pair());
        std::size_t finished = 0;
        co_await rf::with_nursery([&](rf::nursery& readers) -> rf::task<> {
            for (auto& ends : pairs)
                readers.spawn(
                    [](rf::io::tcp_stream* from, std::size_t* done) -> rf::task<> {
                        std::uint64_t received = 0;
                        while (auto chunk = co_await from->read()) {
                            CHECK(is_numbered(chunk, received));
                            received += chunk.size();
                            co_await rf::this_task::yield();  // holding a buffer of few
                        }
                        CHECK(received == 5000);
                        ++*done;
                    },
                    &ends.second, &finished);
            std::vector<std::byte> sent;
            fill_numbered(sent, 0, 5000);
            for (auto& ends : pairs)
                co_await send_and_finish(&ends.first, &sent);
        });
        CHECK(finished == pairs.size());
        CHECK(rf::io::buffer_pool::here().out() == 0);
    });
    rf::io::buffer_pool::configure({});
}

TEST_CASE("stream: more silent peers than buffers keep nobody else from being read") {
    rf::io::buffer_pool::configure({.count = 4, .bytes = 64});
    on_each_kernel([] {
        run_ok([]() -> rf::task<> {
            std::vector<std::pair<rf::io::tcp_stream, rf::io::tcp_stream>> silent;
            for (int i = 0; i < 10; ++i)
                silent.push_back(co_await tcp_pair());
            auto busy = co_await tcp_pair();
            co_await rf::with_nursery([&](rf::nursery& readers) -> rf::task<> {
                for (auto& ends : silent)
                    readers.spawn([&]() -> rf::task<> {
                        auto end = co_await ends.second.read();
                        CHECK(!end);
                    });
                for (int turns = 0; turns < 50; ++turns)
                    co_await rf::this_task::yield();
                for (int i = 0; i < 20; ++i) {
                    co_await busy.first.write_all("question");
                    auto chunk = co_await busy.second.read();
                    CHECK(chunk.text() == "question");
                }
                for (auto& ends : silent)
                    ends.first.close();
            });
        });
    });
    rf::io::buffer_pool::configure({});
}

TEST_CASE("stream: readers that wait hold no buffer, one that has bytes holds one") {
    run_ok([]() -> rf::task<> {
        std::vector<std::pair<rf::io::tcp_stream, rf::io::tcp_stream>> pairs;
        for (int i = 0; i < 100; ++i)
            pairs.push_back(co_await tcp_pair());
        const rf::io::buffer_pool& pool = rf::io::buffer_pool::here();
        std::uint32_t while_reading = 0;
        co_await rf::with_nursery([&](rf::nursery& readers) -> rf::task<> {
            for (auto& ends : pairs)
                readers.spawn([&]() -> rf::task<> {
                    auto chunk = co_await ends.second.read();
                    CHECK(chunk.text() == "awake");
                    while_reading = std::max(while_reading, pool.out());
                });
            for (int turns = 0; turns < 50; ++turns)
                co_await rf::this_task::yield();
            CHECK(readers.size() == 100);
            CHECK(pool.out() == 0);
            for (auto& ends : pairs) {
                const std::size_t left = readers.size();
                co_await ends.first.write_all("awake");
                while (readers.size() == left)
                    co_await rf::this_task::yield();
                CHECK(pool.out() == 0);
            }
        });
        CHECK(while_reading == 1);
    });
}

TEST_CASE("stream: a chunk outlives its stream") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        co_await ends.first.write_all("kept");
        auto chunk = co_await ends.second.read();
        ends.second.close();
        ends.first.close();
        CHECK(chunk.text() == "kept");
    });
}

TEST_CASE("stream: cancelled twice, by a deadline and from outside, a read unwinds once") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        for (int i = 0; i < 200; ++i) {
            rf::cancel_scope scope;
            scope.set_timeout(0ms);
            const bool borrowed = i % 2 == 0;
            std::array<std::byte, 8> own;
            auto got = co_await scope.run([&]() -> rf::task<> {
                rf::cancel_scope inner;
                inner.cancel("first");
                if (borrowed)
                    co_await inner.run(ends.second.read());
                else
                    co_await inner.run(ends.second.read_some(own));
            });
            CHECK(!got);
        }
        co_await ends.first.write_all("still there");
        auto chunk = co_await ends.second.read();
        CHECK(chunk.text() == "still there");
    });
}

#if RF_EXCEPTIONS
TEST_CASE("stream: a peer's reset is an error that names operation, errno and endpoints") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        const std::string there = ends.first.local().to_string();
        const std::string here = ends.second.local().to_string();
        ends.first.abort();
        std::string text;
        try {
            auto chunk = co_await ends.second.read();
        } catch (const rf::io_error& error) {
            text = error.what();
            CHECK(error.error().code() == ECONNRESET);
        }
        CHECK(text.find("receive") != text.npos);
        CHECK(text.find("ECONNRESET") != text.npos);
        CHECK(text.find(here) != text.npos);
    });
}

TEST_CASE("stream: writing to a peer that is gone is EPIPE or ECONNRESET, and no signal") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        ends.first.abort();
        int code = 0;
        for (int i = 0; i < 100 && code == 0; ++i) {
            auto sent = co_await rf::as_result(ends.second.write_all("into the void"));
            if (!sent) code = sent.error().code();
        }
        CHECK((code == EPIPE || code == ECONNRESET));
        bool thrown = false;
        try {
            co_await ends.second.write_all("again");
        } catch (const rf::io_error& error) {
            thrown = std::string(error.what()).find("send") == 0;
        }
        CHECK(thrown);
    });
}

TEST_CASE("stream: bytes that came before a reset are delivered before the error") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        co_await ends.first.write_all("last words");
        auto first = co_await rf::as_result(ends.second.read());
        REQUIRE(first.has_value());
        CHECK(first->text() == "last words");
        ends.first.abort();
        auto second = co_await rf::as_result(ends.second.read());
        CHECK(!second);
        CHECK(second.error().code() == ECONNRESET);
    });
}

TEST_CASE("stream: a silent peer is met with a timeout, and the connection is still good") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        std::string said;
        try {
            auto none = co_await rf::with_timeout(2ms, ends.second.read());
            CHECK(none.size() == 0);
        } catch (const rf::timeout_error& error) {
            said = error.what();
        }
        CHECK_MESSAGE(said.starts_with("timed out after 2 ms"), said);
        co_await ends.first.write_all("late");
        auto chunk = co_await ends.second.read();
        CHECK(chunk.text() == "late");
    });
}
#endif
