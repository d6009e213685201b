// SPDX-License-Identifier: MIT
// Datagrams received by a request that belongs to the socket: none lost, none doubled, in order.
#include "tests/io/real_run.hpp"
#include <ringfence/io/udp_socket.hpp>
#include <ringfence/io/unix_datagram.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/checkpoint.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <array>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <sys/socket.h>
#include <tests/io/socket_test.hpp>
#include <vector>

namespace io = rf::io;
using io::udp_socket;
using io::unix_datagram;
using socket_test::rounds;

namespace {

const char* loopback = "127.0.0.1";

struct udp_ends {
    udp_socket to = udp_socket::bind({loopback, 0}, {.receive_buffer_bytes = 1 << 20});
    udp_socket from = udp_socket::connect(to.local());
};

void send_number(int fd, std::uint32_t number) {
    REQUIRE(::send(fd, &number, sizeof number, 0) == sizeof number);
}
std::uint32_t number_in(std::span<const std::byte> bytes) {
    std::uint32_t number = ~0U;
    if (bytes.size() == sizeof number) std::memcpy(&number, bytes.data(), sizeof number);
    return number;
}

struct race {
    int fd = -1;
    std::uint32_t sent = 0;
    std::uint32_t expected = 0;
    std::uint32_t cancels_won = 0;
    std::uint32_t data_won = 0;
    bool in_order = true;
};

void note(race& state, std::span<const std::byte> bytes) {
    if (number_in(bytes) != state.expected) state.in_order = false;
    ++state.expected;
}

rf::task<> send_and_cancel(race* state, rf::cancel_scope* target, unsigned turns, bool send_first) {
    if (send_first) send_number(state->fd, state->sent++);
    for (; turns != 0; --turns)
        co_await rf::this_task::yield();
    if (!send_first) send_number(state->fd, state->sent++);
    target->cancel("race");
}

template <class Socket>
rf::task<> receive_once(race* state, Socket* socket, bool borrowed) {
    if (borrowed) {
        auto got = co_await socket->receive();
        note(*state, got.bytes());
    } else {
        std::array<std::byte, 8> own;
        const auto got = co_await socket->receive_from(own);
        note(*state, std::span(own).first(got.size));
    }
    ++state->data_won;
}

enum class way { borrowed, mixed };

template <class Socket>
rf::task<> race_receives(Socket* socket, int sender, way how, int count) {
    race state;
    state.fd = sender;
    std::minstd_rand random(17);
    for (int i = 0; i < count; ++i) {
        rf::cancel_scope scope;
        const bool borrowed = how == way::borrowed || random() % 2 != 0;
        co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
            both.spawn(send_and_cancel, &state, &scope, static_cast<unsigned>(random() % 10),
                       random() % 2 != 0);
            auto got = co_await scope.run([&] { return receive_once(&state, socket, borrowed); });
            if (!got) ++state.cancels_won;
        });
        // Nothing piles up in the socket, where the kernel might drop it.
        while (state.sent - state.expected > 5)
            co_await receive_once(&state, socket, borrowed);
    }
    while (state.expected < state.sent)
        co_await receive_once(&state, socket, true);
    MESSAGE("cancels won ", state.cancels_won, ", data won ", state.data_won);
    CHECK(state.in_order);
    CHECK(state.data_won == state.sent);
    CHECK(state.cancels_won > 0);
}

}  // namespace

TEST_CASE("udp: cancelling a borrowing receive loses no datagram") {
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        co_await race_receives(&ends.to, ends.from.native_handle(), way::borrowed, rounds(5'000));
    });
}
TEST_CASE("udp: cancelling receives of both kinds in turn loses no datagram") {
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        co_await race_receives(&ends.to, ends.from.native_handle(), way::mixed, rounds(5'000));
    });
}
TEST_CASE("unix datagram: cancelling receives loses no datagram") {
    test::run_clean([]() -> rf::task<> {
        auto ends = unix_datagram::pair();
        co_await race_receives(&ends.first, ends.second.native_handle(), way::mixed, rounds(3'000));
    });
}

TEST_CASE("udp: a burst beyond what a socket takes in advance comes whole and in order") {
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        std::uint32_t sent = 0;
        std::uint32_t expected = 0;
        for (int burst = 0; burst < 20; ++burst) {
            // Armed by a receive that is cancelled: the burst finds the request and no task.
            {
                rf::cancel_scope scope;
                co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                    both.spawn([&]() -> rf::task<> {
                        scope.cancel();
                        co_return;
                    });
                    auto none = co_await scope.run(ends.to.receive());
                    CHECK(!none);
                });
            }
            for (int i = 0; i < 100; ++i)
                send_number(ends.from.native_handle(), sent++);
            for (int turn = 0; turn < burst; ++turn)
                co_await rf::this_task::yield();
            CHECK(io::buffer_pool::here().out() <= io::detail::datagram_receiver::queue_max + 1u);
            while (expected < sent) {
                auto got = co_await ends.to.receive();
                REQUIRE(number_in(got.bytes()) == expected);
                ++expected;
            }
        }
    });
}

TEST_CASE("udp: receives starved of buffers go on when buffers come back") {
    io::buffer_pool::configure({.count = 4, .bytes = 1024});
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        for (std::uint32_t i = 0; i < 40; ++i)
            send_number(ends.from.native_handle(), i);
        std::vector<io::borrowed_datagram<io::endpoint>> held;
        std::uint32_t expected = 0;
        while (expected < 40) {
            // All buffers are held, and another receive waits for one.
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> {
                    for (int turn = 0; turn < 5; ++turn)
                        co_await rf::this_task::yield();
                    if (held.size() >= 4) held.erase(held.begin());
                });
                auto got = co_await ends.to.receive();
                REQUIRE(number_in(got.bytes()) == expected);
                ++expected;
                held.push_back(std::move(got));
            });
        }
        held.clear();
        CHECK(io::buffer_pool::here().out() == 0);
    });
    io::buffer_pool::configure({});
}

TEST_CASE("udp: several tasks receive, oldest first, and each datagram goes to one") {
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        std::vector<std::string> heard;
        co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
            for (int i = 0; i < 4; ++i)
                all.spawn([&, i]() -> rf::task<> {
                    auto got = co_await ends.to.receive();
                    heard.push_back(std::to_string(i) + ":" + std::string(got.text()));
                });
            for (int turn = 0; turn < 5; ++turn)
                co_await rf::this_task::yield();
            for (const char* text : {"a", "b", "c", "d"})
                co_await ends.from.send(text);
        });
        CHECK(heard == std::vector<std::string>{"0:a", "1:b", "2:c", "3:d"});
    });
}

TEST_CASE("udp: empty datagrams among others are data, and the next ones come too") {
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        for (int round = 0; round < 3; ++round)
            for (const std::string text : {"", "one", "", "", "two", ""})
                co_await ends.from.send(text);
        for (int round = 0; round < 3; ++round)
            for (const std::string text : {"", "one", "", "", "two", ""}) {
                auto got = co_await ends.to.receive();
                CHECK(got.text() == text);
                CHECK(got.from == ends.from.local());
                CHECK_FALSE(got.truncated);
            }
    });
}

TEST_CASE("udp: a borrowed datagram longer than a buffer is cut, and said to be") {
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        const std::string large(40'000, 'x');
        co_await ends.from.send(large);
        co_await ends.from.send("next");
        {
            auto cut = co_await ends.to.receive();
            CHECK(cut.truncated);
            CHECK(cut.size() == io::buffer_pool::here().buffer_bytes() - 44);
        }
        {
            auto next = co_await ends.to.receive();
            CHECK(next.text() == "next");
            CHECK_FALSE(next.truncated);
        }
        // The request is armed: own memory is filled from its buffers, and tells the same.
        co_await ends.from.send("0123456789");
        std::array<std::byte, 4> own;
        const io::datagram got = co_await ends.to.receive_from(own);
        CHECK(got.size == 4);
        CHECK(got.truncated);
        CHECK(got.from == ends.from.local());
    });
}

TEST_CASE("udp: datagrams that nobody took go with the socket, and a datagram outlives it") {
    test::run_clean([]() -> rf::task<> {
        udp_ends ends;
        for (std::uint32_t i = 0; i < 50; ++i)
            send_number(ends.from.native_handle(), i);
        auto first = co_await ends.to.receive();
        auto second = co_await ends.to.receive();
        ends.to.close();
        CHECK(number_in(first.bytes()) == 0);
        CHECK(number_in(second.bytes()) == 1);
    });
}

TEST_CASE("udp: an error comes to one receive, and the socket goes on") {
    test::run_clean([]() -> rf::task<> {
        auto ends = std::make_unique<udp_ends>();
        const io::endpoint nobody = ends->to.local();
        ends->to.close();
        while (rf::loop::here().account().operations != 0)
            co_await rf::this_task::yield();
        (void)co_await rf::as_result(ends->from.send("anybody?"));
        auto refused = co_await rf::as_result(ends->from.receive());
        REQUIRE(!refused);
        CHECK(refused.error().code() == ECONNREFUSED);
        udp_socket back = udp_socket::bind(nobody);
        co_await ends->from.send("again");
        auto asked = co_await back.receive();
        co_await back.send_to("yes", asked.from);
        auto answer = co_await ends->from.receive();
        CHECK(answer.text() == "yes");
    });
}

TEST_CASE("udp: closing a socket that a task receives from is refused") {
    const std::string said = test::abort_message([] {
        (void)rf::run([]() -> rf::task<> {
            udp_ends ends;
            co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                both.spawn([&]() -> rf::task<> { auto got = co_await ends.to.receive(); });
                for (int turn = 0; turn < 3; ++turn)
                    co_await rf::this_task::yield();
                ends.to.close();
            });
        });
    });
    CHECK(said.find("closed while a task receives from it") != said.npos);
}
