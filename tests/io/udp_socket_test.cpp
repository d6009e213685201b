// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/udp_socket.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <string>

namespace io = rf::io;
using io::udp_socket;

namespace {
const char* loopback = "127.0.0.1";

std::string to_text(std::span<const std::byte> from) {
    return {reinterpret_cast<const char*>(from.data()), from.size()};
}
}  // namespace

TEST_CASE("udp: a datagram comes whole, with its sender; an empty one is data") {
    test::run_clean([]() -> rf::task<> {
        udp_socket a = udp_socket::bind({loopback, 0});
        udp_socket b = udp_socket::bind({loopback, 0});
        std::array<std::byte, 64> to;
        for (const std::string text : {"hello", "", "again"}) {
            const std::size_t sent = co_await a.send_to(text, b.local());
            CHECK(sent == text.size());
            const io::datagram got = co_await b.receive_from(to);
            CHECK(to_text(std::span(to).first(got.size)) == text);
            CHECK(got.from == a.local());
            CHECK(!got.truncated);
        }
    });
}

TEST_CASE("udp: what does not fit is cut, and said to be") {
    test::run_clean([]() -> rf::task<> {
        udp_socket a = udp_socket::bind({loopback, 0});
        udp_socket b = udp_socket::connect(a.local());
        co_await b.send("0123456789");
        std::array<std::byte, 4> to;
        const io::datagram got = co_await a.receive_from(to);
        CHECK(to_text(std::span(to).first(got.size)) == "0123");
        CHECK(got.truncated);
        const std::string huge(70'000, 'x');
        const auto refused = co_await rf::as_result(b.send(huge));
        REQUIRE(!refused);
        CHECK(refused.error().code() == EMSGSIZE);
    });
}

TEST_CASE("udp: works over IPv6") {
    test::run_clean([]() -> rf::task<> {
        const auto make = [] { return udp_socket::bind({"::1", 0}); };
        udp_socket a = make();
        udp_socket b = make();
        co_await a.send_to("six", b.local());
        std::array<std::byte, 8> to;
        const io::datagram got = co_await b.receive_from(to);
        CHECK(got.size == 3);
        CHECK(got.from == a.local());
    });
}

TEST_CASE("udp: a connected socket hears that nobody is there") {
    test::run_clean([]() -> rf::task<> {
        io::endpoint nobody;
        {
            udp_socket gone = udp_socket::bind({loopback, 0});
            nobody = gone.local();
            gone.close();
        }
        udp_socket socket = udp_socket::connect(nobody);
        rf::error failure;
        for (int tries = 0; tries < 100 && failure.code() == 0; ++tries) {
            // The first may find the port not yet closed; ICMP then comes with a later one.
            const auto sent = co_await rf::as_result(socket.send("?"));
            if (!sent) failure = sent.error();
        }
        CHECK(failure.code() == ECONNREFUSED);
    });
}

TEST_CASE("udp: 2,000 receives against cancels lose and reorder nothing") {
    test::run_clean([]() -> rf::task<> {
        udp_socket a = udp_socket::bind({loopback, 0});
        udp_socket b = udp_socket::connect(a.local());
        std::uint32_t expected = 0;
        std::array<std::byte, 8> to;
        const auto check = [&](std::size_t size) {
            REQUIRE(size == sizeof expected);
            CHECK(std::memcmp(to.data(), &expected, sizeof expected) == 0);
            ++expected;
        };
        for (std::uint32_t i = 0; i < 2000; ++i) {
            rf::cancel_scope scope;
            std::optional<io::datagram> got;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> { got = co_await scope.run(a.receive_from(to)); });
                both.spawn([&]() -> rf::task<> {
                    CHECK(::send(b.native_handle(), &i, sizeof i, 0) == sizeof i);
                    scope.cancel("race");
                    co_return;
                });
                co_return;
            });
            if (got) check(got->size);
            // Nothing piles up in the socket, where the kernel might drop it.
            while (i + 1 - expected > 50) {
                const io::datagram late = co_await a.receive_from(to);
                check(late.size);
            }
        }
        while (expected < 2000) {
            const io::datagram late = co_await a.receive_from(to);
            check(late.size);
        }
    });
}

#if RF_EXCEPTIONS
TEST_CASE("udp: a port in use is named") {
    test::run_clean([]() -> rf::task<> {
        udp_socket a = udp_socket::bind({loopback, 0});
        std::string said;
        try {
            (void)udp_socket::bind(a.local());
        } catch (const rf::io_error& error) {
            said = error.what();
        }
        CHECK(said.find("bind udp socket " + a.local().to_string()) == 0);
        CHECK(said.find("something else has it") != said.npos);
        CHECK(said.find("EADDRINUSE") != said.npos);
        co_return;
    });
}
#endif
