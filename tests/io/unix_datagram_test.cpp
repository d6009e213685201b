// SPDX-License-Identifier: MIT
#include "tests/io/real_run.hpp"
#include <ringfence/io/unix_datagram.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string>
#include <unistd.h>

namespace io = rf::io;
using io::unix_datagram;
using io::unix_endpoint;

TEST_CASE("unix datagram: sockets with names send to each other and know the sender") {
    test::run_clean([]() -> rf::task<> {
        test::temporary_folder folder;
        const unix_endpoint path(folder / "a");
        const unix_endpoint abstract("@ringfence-datagram-" + std::to_string(::getpid()));
        unix_datagram a = unix_datagram::bind(path);
        unix_datagram b = unix_datagram::bind(abstract);
        CHECK(a.local() == path);
        CHECK(b.local() == abstract);
        co_await a.send_to("to b", abstract);
        {
            auto got = co_await b.receive();
            CHECK(got.text() == "to b");
            CHECK(got.from == path);
            co_await b.send_to("back", got.from);
        }
        std::array<std::byte, 2> own;
        const unix_datagram::datagram back = co_await a.receive_from(own);
        CHECK(back.size == 2);
        CHECK(back.truncated);
        CHECK(back.from == abstract);
        CHECK(back.from.is_abstract());
    });
}

TEST_CASE("unix datagram: a pair talks both ways, empty datagrams included, without names") {
    test::run_clean([]() -> rf::task<> {
        auto ends = unix_datagram::pair();
        for (const std::string text : {"one", "", "two"}) {
            co_await ends.first.send(text);
            auto got = co_await ends.second.receive();
            CHECK(got.text() == text);
            CHECK(got.from.is_unnamed());
            CHECK(got.from.to_string() == "(unnamed)");
            co_await ends.second.send(got.bytes());
            auto back = co_await ends.first.receive();
            CHECK(back.text() == text);
        }
    });
}

TEST_CASE("unix datagram: a sender waits until the receiver has room, and nothing is lost") {
    test::run_clean([]() -> rf::task<> {
        auto ends = unix_datagram::pair();
        int received = 0;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn([&]() -> rf::task<> {
                for (int i = 0; i < 500; ++i)
                    co_await ends.first.send(std::to_string(i));
            });
            for (; received < 500; ++received) {
                if (received % 50 == 0) co_await rf::this_task::yield();
                auto got = co_await ends.second.receive();
                REQUIRE(got.text() == std::to_string(received));
            }
        });
        CHECK(received == 500);
    });
}

TEST_CASE("unix datagram: its path goes with it, and not with what it was moved from") {
    test::run_clean([]() -> rf::task<> {
        test::temporary_folder folder;
        const std::string path = folder / "socket";
        {
            unix_datagram first = unix_datagram::bind(unix_endpoint(path));
            unix_datagram second = std::move(first);
            first = unix_datagram();
            CHECK(std::filesystem::exists(path));
            unix_datagram client = unix_datagram::connect(unix_endpoint(path));
            co_await client.send("x");
            auto got = co_await second.receive();
            CHECK(got.from.is_unnamed());
        }
        CHECK_FALSE(std::filesystem::exists(path));
    });
}

#if RF_EXCEPTIONS
TEST_CASE("unix datagram: errors name the sockets and the remedy") {
    test::run_clean([]() -> rf::task<> {
        test::temporary_folder folder;
        const unix_endpoint path(folder / "here");
        unix_datagram here = unix_datagram::bind(path);
        CHECK_THROWS_WITH_AS((void)unix_datagram::bind(path),
                             doctest::Contains("stays after a crash and has to be removed"),
                             rf::io_error);
        CHECK_THROWS_WITH_AS((void)unix_datagram::connect(unix_endpoint(folder / "nobody")),
                             doctest::Contains("nobody"), rf::io_error);
        const std::string absent =
            co_await test::failure_of(here.send_to("x", unix_endpoint(folder / "nobody")));
        CHECK(absent.find("send datagram on " + path.to_string() + " to " + folder.path()) == 0);
        CHECK(absent.find("ENOENT") != absent.npos);
        const std::string huge(10'000'000, 'x');
        const std::string long_one = co_await test::failure_of(here.send_to(huge, path));
        CHECK(long_one.find("the datagram is longer than one can be") != long_one.npos);
        CHECK_THROWS_WITH_AS(unix_endpoint(std::string(108, 'x')),
                             doctest::Contains("at most 107 bytes"), rf::io_error);
    });
}
#endif
