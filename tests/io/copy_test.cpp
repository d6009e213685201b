// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/copy.hpp>
#include <ringfence/io/pipe.hpp>
#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/tcp_stream.hpp>

#include <doctest/doctest.h>

#include <array>
#include <string>

namespace io = rf::io;

namespace {

rf::task<std::string> read_to_end(io::tcp_stream& from) {
    std::string all;
    while (auto chunk = co_await from.read())
        all += chunk.text();
    co_return all;
}

/// Two ends of one connection.
struct connected {
    io::tcp_stream near;
    io::tcp_stream far;
    connected() = default;
    connected(connected&&) = default;
};

rf::task<connected> connect_pair() {
    auto listener = io::tcp_listener::bind({"127.0.0.1", 0});
    connected pair;
    const io::endpoint at = listener.local();
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn([&]() -> rf::task<> { pair.far = co_await listener.accept(); });
        pair.near = co_await io::tcp_stream::connect(at);
    });
    co_return pair;
}

}  // namespace

TEST_CASE("copy: moves everything between two pipes and says how much") {
    test::run_clean([]() -> rf::task<> {
        io::pipe_ends from = io::make_pipe();
        io::pipe_ends to = io::make_pipe();
        const std::string text(500'000, 'q');
        std::string got;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {
                co_await from.writer.write_all(text);
                from.writer.close();
            });
            all.spawn([&]() -> rf::task<> {
                const std::uint64_t moved = co_await io::copy(from.reader, to.writer, 1000);
                CHECK(moved == text.size());
                to.writer.close();
            });
            std::array<std::byte, 4096> part;
            for (;;) {
                const std::size_t size = co_await to.reader.read_some(part);
                if (size == 0) break;
                got.append(reinterpret_cast<const char*>(part.data()), size);
            }
        });
        CHECK(got == text);
    });
}

TEST_CASE("copy_both: a side that has finished talking still hears the other") {
    test::run_clean([]() -> rf::task<> {
        connected left = co_await connect_pair();
        connected right = co_await connect_pair();
        const std::string question(200'000, 'q');
        const std::string answer(300'000, 'a');
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            all.spawn([&]() -> rf::task<> {  // the proxy
                const io::copy_totals moved = co_await io::copy_both(left.far, right.near);
                CHECK(moved.a_to_b == question.size());
                CHECK(moved.b_to_a == answer.size());
            });
            all.spawn([&]() -> rf::task<> {  // the server answers after the end of the question
                const std::string heard = co_await read_to_end(right.far);
                CHECK(heard == question);
                co_await right.far.write_all(answer);
                co_await right.far.shutdown_write();
            });
            co_await left.near.write_all(question);
            co_await left.near.shutdown_write();
            const std::string heard = co_await read_to_end(left.near);
            CHECK(heard == answer);
        });
    });
}
