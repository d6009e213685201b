// SPDX-License-Identifier: MIT
// Law 9 on the real kernel: reading and writing allocate nothing once the pools are warm.
#include "tests/support/allocations.hpp"
#include <ringfence/io/pipe.hpp>
#include <ringfence/io/udp_socket.hpp>

#include <array>
#include <tests/io/socket_test.hpp>

using namespace socket_test;
using namespace std::chrono_literals;

namespace {

template <class Once>
rf::task<> check_allocates_nothing(Once once) {
    for (int i = 0; i < 100; ++i)
        co_await once();
    const std::uint64_t before = rf::test::allocations();
    for (int i = 0; i < 100; ++i)
        co_await once();
    const std::uint64_t allocated = rf::test::allocations() - before;
    CHECK(allocated == 0);
}

}  // namespace

TEST_CASE("allocations: reading and writing a stream make none, cancelled reads neither") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        const auto once = [&]() -> rf::task<> {
            std::array<std::byte, 64> own;
            co_await ends.first.write_all("borrowed");
            auto got = co_await ends.second.read();
            CHECK(got.size() == 8);
            co_await ends.second.write_all("own");
            const std::size_t size = co_await ends.first.read_some(own);
            CHECK(size == 3);
            (void)co_await rf::move_on_after(0ms, ends.second.read());
            (void)co_await rf::move_on_after(0ms, ends.first.read_some(own));
        };
        co_await check_allocates_nothing(once);
    });
}

TEST_CASE("allocations: sockets and pipes that come and go make none") {
    run_ok([]() -> rf::task<> {
        const auto once = []() -> rf::task<> {
            auto sockets = rf::io::unix_stream::pair();
            auto pipe = rf::io::make_pipe();
            std::array<std::byte, 1> byte{};
            co_await pipe.writer.write_all(byte);
            const std::size_t piped = co_await pipe.reader.read_some(byte);
            CHECK(piped == 1);
            co_await sockets.first.write_all(byte);
            auto got = co_await sockets.second.read();
            CHECK(got.size() == 1);
        };
        co_await check_allocates_nothing(once);
    });
}

TEST_CASE("allocations: a receiver of datagrams that is always one behind makes none") {
    run_ok([]() -> rf::task<> {
        const rf::kernel_features& has = rf::loop::here().kernel().features();
        if (!has.multishot_recvmsg || !has.buf_ring) co_return;  // each datagram is a copy
        auto from = rf::io::udp_socket::bind({"127.0.0.1", 0});
        auto to = rf::io::udp_socket::bind({"127.0.0.1", 0});
        const auto send = [&] { return from.send_to("x", to.local()); };
        co_await send();
        auto first = co_await to.receive();  // arms the request
        CHECK(first.bytes().size() == 1);
        co_await send();
        co_await send();
        std::uint64_t before = 0;
        for (int i = 0; i < 2000; ++i) {
            if (i == 200) before = rf::test::allocations();
            auto got = co_await to.receive();
            CHECK(got.bytes().size() == 1);
            co_await send();
        }
        CHECK(rf::test::allocations() == before);
    });
}
