// SPDX-License-Identifier: MIT
#include "simulated_requests.hpp"
#include "tests/support/run_sim.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <vector>

using rf::completion;
using rf::leakcheck::choices;
using rf::leakcheck::simulated_options;
using rf::test::bare_world;
using rf::test::buffer_ring;
namespace prep = rf::detail::prep;

TEST_CASE("simulated multishot: buffers go out oldest first, an empty ring ends it with ENOBUFS") {
    bare_world world(simulated_options::plain());
    buffer_ring ring(world.driver, 3, 4, 4);
    REQUIRE(ring.registered == 0);
    for (const std::uint16_t id : {2, 0, 1})
        ring.provide(id);
    const auto [near, far] = world.kernel.make_stream_pair();
    prep::recv_multishot(world.request(1), near, 3);
    CHECK(world.kernel.write_now(far, "aaaabbbbcccc") == 12);
    auto all = world.settle();
    REQUIRE(all.size() == 3);
    const char* expected[] = {"aaaa", "bbbb", "cccc"};
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(ring.text(all[i]) == expected[i]);
        CHECK((all[i].flags & IORING_CQE_F_MORE) != 0);
        CHECK(((all[i].flags & IORING_CQE_F_SOCK_NONEMPTY) != 0) == (i != 2));
    }
    CHECK(world.kernel.write_now(far, "dddd") == 4);
    all = world.settle();
    REQUIRE(all.size() == 1);
    CHECK(all[0].res == -ENOBUFS);
    CHECK(all[0].flags == 0);
    // The bytes have stayed in the socket.
    ring.provide(2);
    prep::recv_select(world.request(2), near, 3);
    all = world.settle();
    REQUIRE(all.size() == 1);
    CHECK(ring.text(all[0]) == "dddd");
    CHECK((all[0].flags & (IORING_CQE_F_BUFFER | IORING_CQE_F_MORE)) == IORING_CQE_F_BUFFER);
}

TEST_CASE(
    "simulated multishot: arming on an empty ring fails at once, even where nothing is read") {
    bare_world world(simulated_options::plain());
    buffer_ring ring(world.driver, 0, 4, 4);
    const auto [near, far] = world.kernel.make_stream_pair();
    prep::recv_multishot(world.request(1), near, 0);
    prep::recv_select(world.request(2), near, 0);
    for (const completion& one : world.settle())
        CHECK(one.res == -ENOBUFS);
    CHECK(world.kernel.pending_requests() == 0);
    CHECK(world.kernel.write_now(far, "x") == 1);
}

TEST_CASE("simulated multishot: the end takes no buffer") {
    bare_world world(simulated_options::plain());
    buffer_ring ring(world.driver, 0, 4, 4);
    ring.provide(0);
    const auto [near, far] = world.kernel.make_stream_pair();
    prep::recv_multishot(world.request(1), near, 0);
    CHECK(world.kernel.close_now(far) == 0);
    const auto all = world.settle();
    REQUIRE(all.size() == 1);
    CHECK(all[0].res == 0);
    CHECK(all[0].flags == 0);
}

TEST_CASE("simulated multishot: what a masked kernel lacks is EINVAL there") {
    auto options = simulated_options::plain();
    options.disable = "multishot";
    bare_world world(options);
    CHECK_FALSE(world.driver.features().multishot_accept);
    prep::accept_multishot(world.request(1), world.kernel.make_listener());
    const auto all = world.settle();
    REQUIRE(all.size() == 1);
    CHECK(all[0].res == -EINVAL);
}

TEST_CASE("simulated multishot: it may end at any time, and a byte is never lost over it") {
    int ends = 0;
    rf::test::for_seeds(200, [&](std::uint64_t seed) {
        simulated_options options;
        options.multishot_ends = 300;
        options.cq_entries = 4;
        bare_world world(options, choices::seeded(seed));
        buffer_ring ring(world.driver, 0, 4, 3);
        for (std::uint16_t id = 0; id < 4; ++id)
            ring.provide(id);
        const auto [near, far] = world.kernel.make_stream_pair();
        const std::string sent = "the quick brown fox jumps over the lazy dog";
        CHECK(world.kernel.write_now(far, sent) == static_cast<int>(sent.size()));
        CHECK(world.kernel.close_now(far) == 0);
        std::string received;
        bool over = false;
        prep::recv_multishot(world.request(1), near, 0);
        while (!over) {
            world.driver.wait(rf::instant_never);
            for (const completion& one : world.take()) {
                if (one.res > 0) {
                    received += ring.text(one);
                    ring.provide(static_cast<std::uint16_t>(one.flags >> IORING_CQE_BUFFER_SHIFT));
                }
                if ((one.flags & IORING_CQE_F_MORE) != 0) continue;
                over = one.res == 0;
                if (over) continue;
                CHECK((one.res > 0 || one.res == -ENOBUFS));
                ++ends;
                prep::recv_multishot(world.request(1), near, 0);
            }
        }
        CHECK(received == sent);
    });
    CHECK(ends > 0);
}
