// SPDX-License-Identifier: MIT
#include "tests/support/run_sim.hpp"
#include "tests/support/virtual_shards.hpp"
#include <ringfence/io/descriptor_in_flight.hpp>
#include <ringfence/runtime/join_handle.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using rf::io::descriptor_in_flight;
using rf::test::other_shard;
using rf::test::yield_times;

namespace {

/// Whether the other end of a socket is closed, everywhere.
bool peer_is_closed(int fd) {
    char byte = 0;
    return ::recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/// Hands one end of a pair to a child on the other shard, which is cancelled after so many yields.
/// Whether the child ran.
bool send_and_cancel(std::uint64_t seed, std::uint64_t yields) {
    int pair[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    bool ran = false;
    int again = -1;
    const auto report = rf::test::explore(
        seed, 2, rf::test::only_first([&]() -> rf::task<> {
            auto child = [&](descriptor_in_flight arrived) -> rf::task<> {
                ran = true;
                CHECK(arrived);
                co_await yield_times(100);
            };
            // As soon as it is closed its number is another's, which a second close would hit.
            auto take_number = [&] {
                if (again < 0 && peer_is_closed(pair[1]))
                    again = ::fcntl(pair[1], F_DUPFD_CLOEXEC, pair[0]);
            };
            co_await rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                auto one = jobs.async_on(other_shard(), child, descriptor_in_flight(pair[0]));
                take_number();
                for (std::uint64_t i = 0; i < yields; ++i) {
                    co_await rf::this_task::yield();
                    take_number();
                }
                one.cancel();
                while (!one.ended()) {
                    co_await rf::this_task::yield();
                    take_number();
                }
            });
            take_number();
            CHECK(again == pair[0]);
        }));
    CHECK(report.whole.status == 0);
    CHECK(::fcntl(again, F_GETFD) != -1);
    ::close(again);
    ::close(pair[1]);
    return ran;
}

}  // namespace

TEST_CASE("descriptor_in_flight: cancelled before its task runs on the other shard, closed once") {
    rf::test::for_seeds(100, [](std::uint64_t seed) { CHECK_FALSE(send_and_cancel(seed, 0)); });
}

TEST_CASE("descriptor_in_flight: wherever on its way a cancel meets it, it is closed once") {
    int ran = 0;
    int never = 0;
    rf::test::for_seeds(
        300, [&](std::uint64_t seed) { ++(send_and_cancel(seed, 1 + seed % 4) ? ran : never); });
    MESSAGE(ran << " ran, " << never << " never did");
    if (std::getenv("RF_TEST_SEED") == nullptr) {
        CHECK(ran > 20);
        CHECK(never > 20);
    }
}
