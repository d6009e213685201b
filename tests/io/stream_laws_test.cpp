// SPDX-License-Identifier: MIT
// Law 2 and its neighbours over sockets of a simulated kernel: cancelled means no effect, finished
// means success, what was moved in part is told; and nothing is left. Programs come from seeds.
#include "tests/io/socket_test.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/io/detail/acceptor.hpp>
#include <ringfence/runtime/cancel_scope.hpp>
#include <ringfence/runtime/result.hpp>
#include <ringfence/runtime/sleep.hpp>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using rf::io::tcp_stream;
using rf::leakcheck::simulated_kernel;
using socket_test::fill_numbered;
using socket_test::is_numbered;
using std::chrono::microseconds;

namespace {

const std::string masks[] = {"", "6.1", "5.15", "multishot", "buf_ring"};

/// Small pools, so that buffers run out.
class pool_size {
public:
    explicit pool_size(rf::io::buffer_pool_options size) { rf::io::buffer_pool::configure(size); }
    pool_size(const pool_size&) = delete;
    pool_size& operator=(const pool_size&) = delete;
    ~pool_size() { rf::io::buffer_pool::configure({}); }
};

class dice {
public:
    explicit dice(std::uint64_t seed) : random_(seed) {}
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    microseconds time(std::uint64_t bound_us) {
        return microseconds(static_cast<std::int64_t>(below(bound_us)));
    }
    std::uint64_t seed() { return random_(); }

private:
    std::mt19937_64 random_;
};

/// Bytes in one direction of one connection.
struct flow {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    bool in_order = true;
    bool ended = false;  // the reader has seen the end

    void take(std::span<const std::byte> bytes) {
        if (!is_numbered(bytes, received)) in_order = false;
        received += bytes.size();
    }
};

rf::task<> write_piece(tcp_stream& to, flow& bytes, dice& random) {
    std::vector<std::byte> piece;
    fill_numbered(piece, bytes.sent, 1 + random.below(200));
    const std::uint64_t before = to.bytes_sent();
    const microseconds limit = random.time(2000);
    switch (random.below(5)) {
    case 0: {
        co_await to.write_all(piece);
        bytes.sent += piece.size();
        break;
    }
    case 1: {
        const std::size_t some = co_await to.write_some(piece);
        bytes.sent += some;
        break;
    }
    case 2: {
        // All of its effect, or none.
        const auto some = co_await rf::move_on_after(limit, to.write_some(piece));
        bytes.sent += some.value_or(0);
        break;
    }
    case 3: {
        const auto all = co_await rf::move_on_after(limit, to.write_all(piece));
        bytes.sent += to.bytes_sent() - before;
        if (all) CHECK(*all == piece.size());
        break;
    }
    default: {
        const std::size_t half = piece.size() / 2;
        const std::array parts{iovec{piece.data(), half},
                               iovec{piece.data() + half, piece.size() - half}};
        const std::size_t some = co_await to.write_vectored(parts);
        bytes.sent += some;
        break;
    }
    }
    CHECK(to.bytes_sent() == bytes.sent);
}

rf::task<> write_pieces(tcp_stream& to, flow& bytes, dice random) {
    for (auto pieces = random.below(30); pieces != 0; --pieces) {
        co_await write_piece(to, bytes, random);
        if (random.below(3) == 0) co_await rf::sleep_for(random.time(1000));
    }
    co_await to.shutdown_write();
}

rf::task<std::size_t> read_borrowed(tcp_stream& from, flow& bytes, microseconds held) {
    auto got = co_await from.read();
    bytes.take(got);
    const std::size_t size = got.size();
    // Cancelled here, the bytes have been counted all the same.
    if (held.count() != 0) co_await rf::sleep_for(held);
    if (size == 0) bytes.ended = true;
    co_return size;
}

rf::task<std::size_t> read_own(tcp_stream& from, flow& bytes, std::size_t size_max) {
    std::array<std::byte, 300> memory;
    const std::size_t size = co_await from.read_some(std::span(memory).first(size_max));
    bytes.take(std::span(memory).first(size));
    if (size == 0) bytes.ended = true;
    co_return size;
}

rf::task<> read_pieces(tcp_stream& from, flow& bytes, dice random) {
    while (!bytes.ended) {
        const microseconds held = random.below(2) == 0 ? random.time(1500) : microseconds(0);
        const microseconds limit = random.below(2) == 0 ? random.time(2000) : microseconds(1h);
        const std::size_t size_max = 1 + random.below(300);
        if (random.below(2) == 0)
            (void)co_await rf::move_on_after(limit,
                                             [&] { return read_borrowed(from, bytes, held); });
        else
            (void)co_await rf::move_on_after(limit,
                                             [&] { return read_own(from, bytes, size_max); });
        // A read that is given up in the end must not spin.
        if (limit < 1h) co_await rf::sleep_for(random.time(300));
    }
}

struct connection {
    flow up;
    flow down;
};

/// Whoever is cancelled while sending cannot say how much went out; the stream can.
struct sent_at_exit {
    sent_at_exit(flow& to, tcp_stream& from) : bytes(to), stream(from) {}
    sent_at_exit(const sent_at_exit&) = delete;
    ~sent_at_exit() {
        CHECK(stream.bytes_sent() >= bytes.sent);
        bytes.sent = stream.bytes_sent();
    }
    flow& bytes;
    tcp_stream& stream;
};

rf::task<> converse(simulated_kernel& world, connection& between, dice random) {
    const auto [near, far] = world.make_stream_pair();
    tcp_stream client = tcp_stream::from_fd(near);
    tcp_stream server = tcp_stream::from_fd(far);
    const sent_at_exit up(between.up, client);
    const sent_at_exit down(between.down, server);
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(write_pieces, std::ref(client), std::ref(between.up), dice(random.seed()));
        both.spawn(read_pieces, std::ref(server), std::ref(between.up), dice(random.seed()));
        both.spawn(write_pieces, std::ref(server), std::ref(between.down), dice(random.seed()));
        both.spawn(read_pieces, std::ref(client), std::ref(between.down), dice(random.seed()));
        co_return;
    });
}

rf::task<> converse_all(simulated_kernel& world, std::vector<connection>& all, std::uint64_t seed) {
    co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
        for (connection& one : all)
            jobs.spawn(converse, std::ref(world), std::ref(one), dice(++seed * 7919));
        co_return;
    });
}

rf::test::sim_options world_of(std::uint64_t seed, const std::string& mask) {
    rf::test::sim_options options{.seed = seed};
    options.world.disable = mask;
    options.world.stream_capacity = std::size_t{64} << seed % 7;
    options.world.sq_entries = 4u << seed % 5;
    options.world.cq_entries = 8u << seed % 5;
    return options;
}

void check(const connection& one, bool finished) {
    for (const flow* bytes : {&one.up, &one.down}) {
        CHECK(bytes->in_order);
        CHECK(bytes->received <= bytes->sent);
        if (finished) CHECK(bytes->received == bytes->sent);
    }
}

/// What an outside peer does on a raw end: numbered bytes at random times, then one of the ways to
/// go.
struct raw_peer {
    std::uint64_t sent = 0;
    bool orderly = false;
};

void script_peer(simulated_kernel& world, int fd, raw_peer& peer, dice& random) {
    microseconds when(0);
    for (auto pieces = random.below(20); pieces != 0; --pieces) {
        when += random.time(1500);
        const std::uint64_t size = 1 + random.below(200);
        world.after(when, [&world, &peer, fd, size] {
            std::vector<std::byte> piece;
            fill_numbered(piece, peer.sent, size);
            const int taken =
                world.write_now(fd, {reinterpret_cast<const char*>(piece.data()), piece.size()});
            if (taken > 0) peer.sent += static_cast<std::uint64_t>(taken);
        });
    }
    when += random.time(1500);
    const std::uint64_t way = random.below(3);
    peer.orderly = way == 0;
    world.after(when, [&world, fd, way] {
        if (way == 0) world.shut_down_now(fd, SHUT_WR);
        if (way == 1) world.reset_now(fd);
        if (way == 2) world.close_now(fd);
    });
    if (way != 2) world.after(when + 1h, [&world, fd] { world.close_now(fd); });
}

/// Reads under limits until the end or an error.
rf::task<> read_from_raw(tcp_stream& from, flow& bytes, dice& random) {
    for (;;) {
        std::array<std::byte, 100> memory;
        if (random.below(2) == 0) {
            auto got = co_await rf::move_on_after(random.time(1500), rf::as_result(from.read()));
            if (got && (!*got || !**got)) break;
            if (got) bytes.take(**got);
        } else {
            auto got = co_await rf::move_on_after(random.time(1500),
                                                  rf::as_result(from.read_some(memory)));
            if (got && (!*got || **got == 0)) break;
            if (got) bytes.take(std::span(memory).first(**got));
        }
    }
    bytes.ended = true;
}

using acceptor_handle = rf::io::detail::descriptor_handle<rf::io::detail::acceptor>;

}  // namespace

TEST_CASE("laws: no byte of a stream is lost, doubled or reordered, whatever is cancelled") {
    for (const std::string& mask : masks) {
        CAPTURE(mask);
        rf::test::for_seeds(600, [&mask](std::uint64_t seed) {
            const pool_size small({.count = 2u << seed % 6, .bytes = 8u << seed % 7});
            std::vector<connection> all(1 + seed % 3);
            rf::test::run_sim(world_of(seed, mask), [&](simulated_kernel& world) {
                return converse_all(world, all, seed);
            });
            for (const connection& one : all)
                check(one, true);
        });
    }
}

TEST_CASE("laws: streams that are given up at any moment leave nothing in the kernel") {
    for (const std::string& mask : masks) {
        CAPTURE(mask);
        rf::test::for_seeds(600, [&mask](std::uint64_t seed) {
            const pool_size small({.count = 4, .bytes = 64});
            std::vector<connection> all(2);
            rf::test::run_sim(world_of(seed, mask), [&](simulated_kernel& world) -> rf::task<> {
                const microseconds limit(static_cast<std::int64_t>(seed * 37 % 8000));
                (void)co_await rf::move_on_after(limit,
                                                 [&] { return converse_all(world, all, seed); });
            });
            for (const connection& one : all)
                check(one, false);
        });
    }
}

TEST_CASE("laws: a peer that goes, one way or another, takes no byte with it that had come") {
    for (const std::string& mask : masks) {
        CAPTURE(mask);
        rf::test::for_seeds(600, [&mask](std::uint64_t seed) {
            rf::test::run_sim(world_of(seed, mask), [seed](simulated_kernel& world) -> rf::task<> {
                dice random(seed);
                raw_peer peer;
                flow bytes;
                const auto [near, far] = world.make_stream_pair();
                script_peer(world, far, peer, random);
                tcp_stream stream = tcp_stream::from_fd(near);
                co_await read_from_raw(stream, bytes, random);
                CHECK(bytes.in_order);
                CHECK(bytes.received <= peer.sent);
                if (peer.orderly) CHECK(bytes.received == peer.sent);
                stream.close();
                co_await rf::sleep_for(2h);  // until the peer has closed its end
            });
        });
    }
}

TEST_CASE("laws: each connection is accepted once, whatever is cancelled") {
    for (const std::string& mask : masks) {
        CAPTURE(mask);
        rf::test::for_seeds(600, [&mask](std::uint64_t seed) {
            rf::test::run_sim(world_of(seed, mask), [seed](simulated_kernel& world) -> rf::task<> {
                dice random(seed);
                const int fd = world.make_listener();
                acceptor_handle listener = acceptor_handle::make(fd, "tcp listener");
                const std::uint64_t count = 1 + random.below(12);
                std::vector<int> clients;
                for (std::uint64_t i = 0; i < count; ++i)
                    world.after(random.time(4000), [&world, &clients, fd] {
                        const int client = world.connect_to(fd);
                        REQUIRE(client >= 0);
                        clients.push_back(client);
                        const char number = static_cast<char>(clients.size());
                        CHECK(world.write_now(client, {&number, 1}) == 1);
                    });
                std::vector<int> seen(count + 1, 0);
                std::uint64_t accepted = 0;
                for (int tries = 0; accepted < count && tries < 1000; ++tries) {
                    auto peer = co_await rf::move_on_after(
                        random.time(1500), rf::io::detail::stream_accept<tcp_stream>(*listener));
                    if (!peer) continue;
                    ++accepted;
                    auto number = co_await peer->read();
                    REQUIRE(number.size() == 1);
                    ++seen.at(static_cast<std::size_t>(number.text()[0]));
                }
                CHECK(accepted == count);
                for (std::uint64_t i = 1; i <= count; ++i)
                    CHECK(seen[i] == 1);
                for (const int client : clients)
                    world.close_now(client);
            });
        });
    }
}
