// SPDX-License-Identifier: MIT
#include "simulated_requests.hpp"
#include "tests/support/run_sim.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

using rf::completion;
using rf::leakcheck::choices;
using rf::leakcheck::simulated_options;
using rf::test::bare_world;
using rf::test::buffer_ring;
namespace prep = rf::detail::prep;

TEST_CASE("simulated cancel: data or cancelled, never both, nothing lost, both orders") {
    std::set<std::pair<std::int32_t, std::int32_t>> results;  // the target's, the cancel's
    std::set<std::uint64_t> first;
    rf::test::for_seeds(500, [&](std::uint64_t seed) {
        bare_world world({}, choices::seeded(seed));
        const auto [near, far] = world.kernel.make_stream_pair();
        char room[4] = {};
        prep::recv(world.request(1), near, room, 1);
        if (seed % 3 != 0) world.driver.poll();
        CHECK(world.kernel.write_now(far, "x") == 1);
        world.cancel(2, 1);
        const auto all = world.settle();
        REQUIRE(all.size() == 2);
        std::map<std::uint64_t, std::int32_t> of;
        for (const completion& one : all)
            of[one.user_data] = one.res;
        first.insert(all[0].user_data);
        results.emplace(of.at(1), of.at(2));
        CHECK(std::string(room) + world.kernel.read_now(near) == "x");
    });
    const std::set<std::pair<std::int32_t, std::int32_t>> expected = {
        {1, -ENOENT}, {1, -EALREADY}, {-ECANCELED, 0}};
    CHECK(results == expected);
    CHECK(first.size() == 2);
}

TEST_CASE("simulated cancel: multishot data may come after it and before the end") {
    int late = 0;
    rf::test::for_seeds(300, [&](std::uint64_t seed) {
        bare_world world({}, choices::seeded(seed));
        buffer_ring ring(world.driver, 0, 8, 2);
        for (std::uint16_t id = 0; id < 8; ++id)
            ring.provide(id);
        const auto [near, far] = world.kernel.make_stream_pair();
        prep::recv_multishot(world.request(1), near, 0);
        world.driver.poll();
        world.cancel(2, 1);
        world.driver.poll();
        CHECK(world.kernel.write_now(far, "abcdef") == 6);
        std::string received;
        int ends = 0;
        bool cancelled = false;
        for (const completion& one : world.settle()) {
            if (one.user_data == 2) {
                cancelled = one.res == 0;
                continue;
            }
            CHECK(ends == 0);
            if (one.res > 0) received += ring.text(one);
            if (one.res > 0 && cancelled) ++late;
            if ((one.flags & IORING_CQE_F_MORE) == 0) ++ends;
        }
        CHECK(ends == 1);
        CHECK(received + world.kernel.read_now(near) == "abcdef");
    });
    CHECK(late > 0);
}

TEST_CASE("simulated cancel: no connection is lost") {
    rf::test::for_seeds(300, [](std::uint64_t seed) {
        bare_world world({}, choices::seeded(seed));
        const int listener = world.kernel.make_listener();
        if (seed % 2 == 0)
            prep::accept_multishot(world.request(1), listener);
        else
            prep::accept(world.request(1), listener, nullptr, nullptr);
        world.driver.poll();
        for (int i = 0; i < 3; ++i)
            CHECK(world.kernel.connect_to(listener) > 0);
        world.cancel(2, 1);
        (void)world.settle();
        CHECK(world.kernel.pending_requests() == 0);
        // The rest is still in the backlog.
        for (std::uint64_t number = 3; number < 6; ++number)
            prep::accept(world.request(number), listener, nullptr, nullptr);
        (void)world.settle();
        CHECK(world.kernel.open_descriptors() == 7);
        for (std::uint64_t number = 3; number < 6; ++number)
            world.cancel(number + 10, number);
        (void)world.settle();
    });
}

TEST_CASE("simulated cancel: a file request that has begun ends with its result or interrupted") {
    std::set<std::pair<std::int32_t, std::int32_t>> results;
    rf::test::for_seeds(500, [&](std::uint64_t seed) {
        bare_world world({}, choices::seeded(seed));
        const int file = world.kernel.make_file();
        prep::fsync(world.request(1), file);
        world.driver.poll();
        world.cancel(2, 1);
        std::map<std::uint64_t, std::int32_t> of;
        for (const completion& one : world.settle())
            of[one.user_data] = one.res;
        REQUIRE(of.size() == 2);
        results.emplace(of.at(1), of.at(2));
    });
    const std::set<std::pair<std::int32_t, std::int32_t>> expected = {
        {0, -ENOENT}, {0, -EALREADY}, {-EINTR, -EALREADY}, {-512, -EALREADY}, {-ECANCELED, 0}};
    CHECK(results == expected);
}

TEST_CASE("simulated cancel: it finds nothing that comes after it, nor what is over") {
    rf::test::for_seeds(50, [](std::uint64_t seed) {
        bare_world world({}, choices::seeded(seed));
        const auto [near, far] = world.kernel.make_stream_pair();
        char room[4];
        world.cancel(2, 1);
        prep::recv(world.request(1), near, room, 1);
        auto all = world.settle();
        REQUIRE(all.size() == 1);
        CHECK(all[0].res == -ENOENT);
        CHECK(world.kernel.write_now(far, "x") == 1);
        CHECK(world.settle().size() == 1);
        world.cancel(3, 1);
        all = world.settle();
        REQUIRE(all.size() == 1);
        CHECK(all[0].res == -ENOENT);
    });
}

TEST_CASE("simulated cancel: a second one hears that the first was there, and both are told") {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        bare_world world({}, choices::seeded(seed));
        char room[4];
        prep::recv(world.request(1), world.kernel.make_stream_pair().first, room, 1);
        world.cancel(2, 1);
        world.cancel(3, 1);
        std::multiset<std::int32_t> cancels;
        for (const completion& one : world.settle()) {
            if (one.user_data == 1)
                CHECK(one.res == -ECANCELED);
            else
                cancels.insert(one.res);
        }
        REQUIRE(cancels.size() == 2);
        CHECK(cancels.count(0) == 1);
    });
}

TEST_CASE("simulated cancel: all that is in flight ends with ANY and ALL") {
    bare_world world;
    char room[3];
    for (std::uint64_t number = 1; number <= 3; ++number)
        prep::recv(world.request(number), world.kernel.make_stream_pair().first, &room[number - 1],
                   1);
    world.driver.poll();
    prep::cancel_all(world.request(9));
    CHECK(world.settle().size() == 4);
    CHECK(world.kernel.pending_requests() == 0);
}
