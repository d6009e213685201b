// SPDX-License-Identifier: MIT
#include "simulated_requests.hpp"
#include "tests/support/run_sim.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <cerrno>
#include <poll.h>
#include <string>
#include <string_view>
#include <vector>

using rf::completion;
using rf::leakcheck::choices;
using rf::leakcheck::simulated_options;
using rf::test::bare_world;
using rf::test::buffer_ring;
namespace prep = rf::detail::prep;

namespace {

simulated_options plain() { return simulated_options::plain(); }

/// The one completion that comes.
std::int32_t only(bare_world& world) {
    const auto all = world.settle();
    REQUIRE(all.size() == 1);
    CHECK((all[0].flags & IORING_CQE_F_MORE) == 0);
    return all[0].res;
}

sockaddr_in address_of(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

}  // namespace

TEST_CASE("simulated stream: bytes arrive whole and in order, in pieces of any size") {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        simulated_options options;
        options.stream_capacity = 16;
        bare_world world(options, choices::seeded(seed));
        const auto [near, far] = world.kernel.make_stream_pair();
        std::string sent;
        for (int i = 0; i < 100; ++i)
            sent += std::to_string(i) + ' ';
        std::string received;
        std::size_t done = 0;
        char room[24];
        prep::send(world.request(1), near, sent.data(), sent.size());
        prep::recv(world.request(2), far, room, sizeof room);
        while (received.size() < sent.size()) {
            world.driver.wait(rf::instant_never);
            for (const completion& one : world.take()) {
                REQUIRE(one.res > 0);
                const auto size = static_cast<std::size_t>(one.res);
                if (one.user_data == 1) {
                    done += size;
                    if (done < sent.size())
                        prep::send(world.request(1), near, &sent[done], sent.size() - done);
                } else {
                    received.append(room, size);
                    if (received.size() < sent.size())
                        prep::recv(world.request(2), far, room, sizeof room);
                }
            }
        }
        CHECK(received == sent);
    });
}

TEST_CASE("simulated stream: a half-close is an end after the data, a write after it EPIPE") {
    bare_world world(plain());
    const auto [near, far] = world.kernel.make_stream_pair();
    char room[8];
    prep::send(world.request(1), near, "last", 4);
    CHECK(only(world) == 4);
    prep::shutdown(world.request(2), near, SHUT_WR);
    CHECK(only(world) == 0);
    prep::send(world.request(3), near, "x", 1);
    CHECK(only(world) == -EPIPE);
    prep::recv(world.request(4), far, room, sizeof room);
    CHECK(only(world) == 4);
    for (int twice = 0; twice < 2; ++twice) {
        prep::recv(world.request(5), far, room, sizeof room);
        CHECK(only(world) == 0);
    }
    CHECK(world.kernel.write_now(far, "back") == 4);
    CHECK(world.kernel.read_now(near) == "back");
}

TEST_CASE("simulated stream: a reset is reported once, then the stream is at its end") {
    bare_world world(plain());
    const auto [near, far] = world.kernel.make_stream_pair();
    char room[8];
    world.kernel.reset_now(far);
    prep::recv(world.request(1), near, room, sizeof room);
    CHECK(only(world) == -ECONNRESET);
    prep::recv(world.request(2), near, room, sizeof room);
    CHECK(only(world) == 0);
    prep::send(world.request(3), near, "x", 1);
    CHECK(only(world) == -EPIPE);
}

TEST_CASE("simulated stream: closing with bytes unread resets the peer") {
    bare_world world(plain());
    const auto [near, far] = world.kernel.make_stream_pair();
    char room[8];
    CHECK(world.kernel.write_now(near, "unread") == 6);
    prep::close(world.request(1), far);
    CHECK(only(world) == 0);
    prep::recv(world.request(2), near, room, sizeof room);
    CHECK(only(world) == -ECONNRESET);
    CHECK(world.kernel.open_descriptors() == 1);
}

TEST_CASE("simulated stream: closing a descriptor ends no request on it, and its number is free") {
    bare_world world(plain());
    const auto [near, far] = world.kernel.make_stream_pair();
    char room[8] = {};
    prep::recv(world.request(1), near, room, sizeof room);
    world.driver.poll();
    CHECK(world.kernel.close_now(near) == 0);
    const int reused = world.kernel.make_eventfd();
    CHECK(reused == near);
    CHECK(world.settle().empty());
    CHECK(world.kernel.pending_requests() == 1);
    // The bytes still go to the request that holds the file.
    CHECK(world.kernel.write_now(far, "late") == 4);
    CHECK(only(world) == 4);
    CHECK(std::string_view(room, 4) == "late");
}

TEST_CASE("simulated stream: MSG_WAITALL waits for all, or reports what there was") {
    bare_world world(plain());
    const auto [near, far] = world.kernel.make_stream_pair();
    char room[10];
    prep::recv(world.request(1), near, room, sizeof room, MSG_WAITALL);
    CHECK(world.kernel.write_now(far, "123") == 3);
    CHECK(world.settle().empty());
    SUBCASE("at the end") { CHECK(world.kernel.shut_down_now(far, SHUT_WR) == 0); }
    SUBCASE("cancelled") { world.cancel(2, 1); }
    for (const completion& one : world.settle())
        CHECK(one.res == (one.user_data == 1 ? 3 : 0));
    CHECK(world.kernel.pending_requests() == 0);
}

TEST_CASE("simulated stream: vectored transfers and messages use every part") {
    bare_world world(plain());
    const auto [near, far] = world.kernel.make_stream_pair();
    char text[] = "abcdef";
    char one[4] = {};
    char two[4] = {};
    iovec out[] = {{text, 2}, {text + 2, 4}};
    iovec in[] = {{one, 3}, {two, 3}};
    msghdr outgoing{};
    outgoing.msg_iov = out;
    outgoing.msg_iovlen = 2;
    msghdr incoming{};
    incoming.msg_iov = in;
    incoming.msg_iovlen = 2;
    prep::sendmsg(world.request(1), near, &outgoing);
    CHECK(only(world) == 6);
    prep::recvmsg(world.request(2), far, &incoming);
    CHECK(only(world) == 6);
    CHECK(std::string(one) + two == "abcdef");
    prep::writev(world.request(3), near, out, prep::offset_current);
    CHECK(only(world) == 6);
    prep::readv(world.request(4), far, in, prep::offset_current);
    CHECK(only(world) == 6);
}

TEST_CASE("simulated pipe: an end when the writer is gone, EPIPE when the reader is") {
    bare_world world(plain());
    char room[8];
    const auto gone = world.kernel.make_pipe();
    CHECK(world.kernel.write_now(gone.second, "x") == 1);
    CHECK(world.kernel.close_now(gone.second) == 0);
    for (const int expected : {1, 0}) {
        prep::read(world.request(1), gone.first, room, sizeof room, prep::offset_current);
        CHECK(only(world) == expected);
    }
    const auto deaf = world.kernel.make_pipe();
    CHECK(world.kernel.close_now(deaf.first) == 0);
    prep::write(world.request(2), deaf.second, "x", 1, prep::offset_current);
    CHECK(only(world) == -EPIPE);
    prep::recv(world.request(3), gone.first, room, sizeof room);
    CHECK(only(world) == -ENOTSOCK);
}

TEST_CASE("simulated listener: connections are accepted in order, EMFILE leaves them waiting") {
    simulated_options options = plain();
    options.descriptors_max = 4;
    bare_world world(options);
    const int listener = world.kernel.make_listener();
    const int client = world.kernel.connect_to(listener);
    const auto peer = address_of(world.kernel.port_of(listener));
    const int other = world.kernel.make_socket();
    prep::connect(world.request(1), other, reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
    CHECK(only(world) == 0);
    CHECK(world.kernel.write_now(client, "first") == 5);
    prep::accept_multishot(world.request(2), listener);
    auto all = world.settle();
    REQUIRE(all.size() == 2);
    CHECK(all[0].flags == (IORING_CQE_F_MORE | IORING_CQE_F_SOCK_NONEMPTY));
    CHECK(world.kernel.read_now(all[0].res) == "first");
    CHECK(all[1].res == -EMFILE);
    CHECK(all[1].flags == 0);
    CHECK(world.kernel.close_now(client) == 0);
    prep::accept(world.request(3), listener, nullptr, nullptr);
    CHECK(only(world) == client);
}

TEST_CASE("simulated listener: nobody there refuses, a full backlog waits, a black hole for ever") {
    simulated_options options = plain();
    options.backlog = 1;
    bare_world world(options);
    const auto connect = [&](std::uint64_t number, std::uint16_t port) {
        static sockaddr_in peers[8];
        peers[number] = address_of(port);
        prep::connect(world.request(number), world.kernel.make_socket(),
                      reinterpret_cast<const sockaddr*>(&peers[number]), sizeof peers[number]);
    };
    connect(1, 9);
    CHECK(only(world) == -ECONNREFUSED);
    const int listener = world.kernel.make_listener(80);
    connect(2, 80);
    CHECK(only(world) == 0);
    connect(3, 80);
    CHECK(world.settle().empty());
    prep::accept(world.request(4), listener, nullptr, nullptr);
    CHECK(world.settle().size() == 2);
    world.kernel.make_black_hole(81);
    connect(5, 81);
    CHECK(world.settle().empty());
    world.cancel(6, 5);
    for (const completion& one : world.settle())
        CHECK(one.res == (one.user_data == 5 ? -ECANCELED : 0));
}

TEST_CASE("simulated poll: once when asked once, once per event when asked for all") {
    bare_world world(plain());
    const int counter = world.kernel.make_eventfd();
    prep::poll_add(world.request(1), counter, POLLIN);
    prep::poll_multishot(world.request(2), counter, POLLIN);
    CHECK(world.settle().empty());
    const std::uint64_t three = 3;
    const std::string_view bytes(reinterpret_cast<const char*>(&three), sizeof three);
    CHECK(world.kernel.write_now(counter, bytes) == 8);
    CHECK(world.settle().size() == 2);
    CHECK(world.settle().empty());
    CHECK(world.kernel.write_now(counter, bytes) == 8);
    const auto all = world.settle();
    REQUIRE(all.size() == 1);
    CHECK(all[0].flags == IORING_CQE_F_MORE);
    std::uint64_t sum = 0;
    prep::read(world.request(3), counter, &sum, sizeof sum, 0);
    CHECK(only(world) == 8);
    CHECK(sum == 6);
    world.cancel(4, 2);
    CHECK(world.settle().size() == 2);
}

TEST_CASE("simulated file: reads and writes at offsets, grows, is full some day") {
    bare_world world(plain());
    const int file = world.kernel.make_file("0123456789");
    char room[8] = {};
    prep::read(world.request(1), file, room, 4, 8);
    CHECK(only(world) == 2);
    prep::read(world.request(2), file, room, 4, 10);
    CHECK(only(world) == 0);
    prep::write(world.request(3), file, "ab", 2, 11);
    CHECK(only(world) == 2);
    CHECK(world.kernel.content_of(file) == std::string("0123456789\0ab", 13));
    prep::fsync(world.request(4), file);
    CHECK(only(world) == 0);
    prep::fallocate(world.request(5), file, 0, 0, std::uint64_t{1} << 60);
    CHECK(only(world) == -ENOSPC);
}

TEST_CASE("simulated timeout: ETIME when its time has come") {
    bare_world world(plain());
    const __kernel_timespec span{.tv_sec = 1, .tv_nsec = 5};
    prep::timeout(world.request(1), &span);
    CHECK(only(world) == -ETIME);
    CHECK(world.kernel.time() == 1'000'000'005);
}
