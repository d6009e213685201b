// SPDX-License-Identifier: MIT
// The kernel is shown few of the receive buffers at first, and more as they run out.
#include "tests/io/masked_run.hpp"
#include "tests/io/socket_test.hpp"
#include <ringfence/io/buffer_pool.hpp>

#include <algorithm>
#include <span>
#include <sys/socket.h>

using namespace socket_test;

namespace {

struct ends {
    rf::io::unix_stream ours;
    rf::io::unix_stream theirs;
};

std::vector<ends> many_pairs(std::size_t count) {
    std::vector<ends> made;
    for (std::size_t i = 0; i < count; ++i) {
        auto [ours, theirs] = rf::io::unix_stream::pair();
        made.push_back({std::move(ours), std::move(theirs)});
    }
    return made;
}

void send_numbered(const rf::io::unix_stream& to, std::uint64_t from, std::size_t bytes) {
    std::vector<std::byte> data;
    fill_numbered(data, from, bytes);
    REQUIRE(::send(to.native_handle(), data.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes));
}

/// Each of `count` silent connections waits, then all are sent `bytes` before any of them runs;
/// every task holds its buffer until all have one.
void fill_at_once(std::size_t count, std::size_t bytes) {
    run_ok([=]() -> rf::task<> {
        std::vector<ends> pairs = many_pairs(count);
        std::size_t held = 0;
        const std::size_t at_most =
            std::min<std::size_t>(count, rf::io::buffer_pool::here().count());
        co_await rf::with_nursery([&](rf::nursery& home) -> rf::task<> {
            for (std::size_t i = 0; i < count; ++i)
                home.spawn([&, i]() -> rf::task<> {
                    const rf::io::chunk got = co_await pairs[i].ours.read();
                    ++held;
                    while (held < at_most)
                        co_await rf::this_task::yield();
                    CHECK(got.size() == bytes);
                    CHECK(is_numbered(got.bytes(), i * 7919));
                });
            for (int i = 0; i < 20; ++i)
                co_await rf::this_task::yield();
            for (std::size_t i = 0; i < count; ++i)
                send_numbered(pairs[i].theirs, i * 7919, bytes);
        });
        CHECK(rf::io::buffer_pool::here().out() == 0);
    });
}

}  // namespace

TEST_SUITE("io buffer window") {
    TEST_CASE("as many connections as there are buffers get theirs at the same time") {
        on_each_kernel([] { fill_at_once(256, 1000); });
    }

    TEST_CASE("full buffers side by side do not touch each other") {
        on_each_kernel([] { fill_at_once(200, std::size_t{16} * 1024); });
    }

    TEST_CASE("more connections than buffers are served as buffers come back") {
        on_each_kernel([] { fill_at_once(400, 100); });
    }

    TEST_CASE("with a pool smaller than the window all of it is used") {
        on_each_kernel([] {
            rf::io::buffer_pool::configure({.count = 8, .bytes = 64});
            fill_at_once(30, 64);
            rf::io::buffer_pool::configure({});
        });
    }

    TEST_CASE("buffers go round for ever: one connection, many messages") {
        on_each_kernel([] {
            run_ok([]() -> rf::task<> {
                auto [ours, theirs] = rf::io::unix_stream::pair();
                for (std::uint64_t i = 0; i < 1000; ++i) {
                    send_numbered(theirs, i, 10);
                    const rf::io::chunk got = co_await ours.read();
                    CHECK(got.size() == 10);
                    CHECK(is_numbered(got.bytes(), i));
                }
            });
        });
    }
}
