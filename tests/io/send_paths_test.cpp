// SPDX-License-Identifier: MIT
// The two short ways that a send can take: by a slot of the ring, and at once without a request.
#include "tests/io/masked_run.hpp"
#include "tests/io/socket_test.hpp"
#include <ringfence/runtime/detail/uring_driver.hpp>
#include <ringfence/runtime/offload.hpp>

#include <array>
#include <cerrno>
#include <sys/socket.h>

using namespace socket_test;

namespace {

rf::uring_statistics books() {
    return static_cast<const rf::detail::uring_driver&>(rf::loop::here().kernel()).statistics();
}

/// Sends one byte `times` times and reads each at the other end.
rf::task<> send_often(rf::io::tcp_stream& from, rf::io::tcp_stream& to, int times) {
    for (int i = 0; i < times; ++i) {
        const std::array byte{numbered(static_cast<std::uint64_t>(i))};
        co_await from.write_all(byte);
        const rf::io::chunk got = co_await to.read();
        REQUIRE(got.size() == 1);
        CHECK(got.data()[0] == byte[0]);
    }
}

/// Turns in which nothing else is ready, until sends go out at once.
rf::task<> become_lonely() {
    for (int i = 0; i < 100'000 && !rf::loop::here().lonely(); ++i)
        co_await rf::this_task::yield();
    CHECK(rf::loop::here().lonely());
}

std::string received(int fd) {
    std::array<char, 256> text{};
    const ssize_t got = ::recv(fd, text.data(), text.size(), MSG_DONTWAIT);
    return got > 0 ? std::string(text.data(), static_cast<std::size_t>(got)) : std::string();
}

}  // namespace

TEST_SUITE("io send paths") {
    TEST_CASE("a connection that sends often has a slot of the ring until it is closed") {
        on_each_kernel([] {
            run_ok([]() -> rf::task<> {
                auto pair = co_await tcp_pair();
                auto& [client, server] = pair;
                // A neighbour keeps the loop from being lonely, so that sends are requests.
                co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
                    home.spawn_service([]() -> rf::task<> {
                        for (;;)
                            co_await rf::this_task::yield();
                    });
                    co_await send_often(client, server, 3);
                    CHECK(books().files == 0);
                    co_await send_often(client, server, 5);
                    const bool slots = rf::loop::here().kernel().features().fixed_files;
                    CHECK(books().files == (slots ? 1 : 0));
                    client.close();
                    CHECK(books().files == 0);
                    // The kernel would keep the connection open for a file left in its slot.
                    const rf::io::chunk end = co_await server.read();
                    CHECK(!end);
                });
            });
        });
    }

    TEST_CASE("slots of closed connections are used again") {
        run_ok([]() -> rf::task<> {
            co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
                home.spawn_service([]() -> rf::task<> {
                    for (;;)
                        co_await rf::this_task::yield();
                });
                for (int round = 0; round < 20; ++round) {
                    auto pair = co_await tcp_pair();
                    auto& [client, server] = pair;
                    co_await send_often(client, server, 8);
                    co_await send_often(server, client, 8);
                    const bool slots = rf::loop::here().kernel().features().fixed_files;
                    CHECK(books().files == (slots ? 2 : 0));
                }
                CHECK(books().files == 0);
            });
        });
    }

    TEST_CASE("a task alone on its loop sends at once, without a request") {
        on_each_kernel([] {
            run_ok([]() -> rf::task<> {
                auto [ours, theirs] = rf::io::unix_stream::pair();
                co_await become_lonely();
                const std::uint64_t before = books().submitted;
                const std::string_view text = "hello";
                const auto sent =
                    co_await ours.write_some(std::as_bytes(std::span(text.data(), text.size())));
                CHECK(sent == 5);
                CHECK(books().submitted == before);
                CHECK(received(theirs.native_handle()) == "hello");
                CHECK(ours.bytes_sent() == 5);
            });
        });
    }

    TEST_CASE("a task that is not alone sends by request") {
        run_ok([]() -> rf::task<> {
            auto [ours, theirs] = rf::io::unix_stream::pair();
            co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
                home.spawn_service([]() -> rf::task<> {
                    for (;;)
                        co_await rf::this_task::yield();
                });
                for (int i = 0; i < 5'000; ++i)
                    co_await rf::this_task::yield();
                const std::uint64_t before = books().submitted;
                const std::array byte{std::byte{'x'}};
                co_await ours.write_all(byte);
                CHECK(books().submitted > before);
            });
            CHECK(received(theirs.native_handle()) == "x");
        });
    }

    TEST_CASE("what does not fit at once follows by request, in order") {
        on_each_kernel([] {
            run_ok([]() -> rf::task<> {
                auto [ours, theirs] = rf::io::unix_stream::pair();
                constexpr std::size_t total = 3'000'000;  // more than a socket holds
                std::vector<std::byte> all, got(total);
                fill_numbered(all, 0, total);
                const int fd = theirs.native_handle();
                co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
                    home.spawn([&]() -> rf::task<> {
                        co_await rf::offload("read all", [&] {
                            const ssize_t n = ::recv(fd, got.data(), total, MSG_WAITALL);
                            CHECK(n == static_cast<ssize_t>(total));
                        });
                    });
                    co_await become_lonely();
                    co_await ours.write_all(all);
                    CHECK(ours.bytes_sent() == total);
                });
                CHECK(is_numbered(got, 0));
            });
        });
    }

    TEST_CASE("in a cancelled scope nothing is sent, not even at once") {
        run_ok([]() -> rf::task<> {
            auto [ours, theirs] = rf::io::unix_stream::pair();
            co_await become_lonely();
            co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
                home.cancel();
                const std::array byte{std::byte{'x'}};
                co_await ours.write_all(byte);
                CHECK_MESSAGE(false, "the write was to unwind");
            });
            CHECK(received(theirs.native_handle()).empty());
        });
    }

#if RF_EXCEPTIONS
    TEST_CASE("a send at once that fails says what a request says") {
        run_ok([]() -> rf::task<> {
            auto [ours, theirs] = rf::io::unix_stream::pair();
            theirs.close();
            co_await become_lonely();
            std::string said;
            const std::array byte{std::byte{'x'}};
            try {
                co_await ours.write_all(byte);
            } catch (const rf::io_error& failed) {
                said = failed.what();
                CHECK(failed.code().value() == EPIPE);
            }
            CAPTURE(said);
            CHECK(said.find("send") != std::string::npos);
        });
    }
#endif
}
