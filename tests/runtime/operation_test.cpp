// SPDX-License-Identifier: MIT
#include "tests/runtime/receive_byte.hpp"
#include "tests/support/death.hpp"
#include "tests/support/run_sim.hpp"
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/sleep.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/uring_abi.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using rf::leakcheck::simulated_kernel;
namespace prep = rf::detail::prep;

using test::receive_byte;

namespace {

/// Receives bytes and writes down what the kernel says of it.
struct receive final : rf::operation {
    explicit receive(int descriptor, std::size_t wanted = 1) : fd(descriptor), size(wanted) {}

    void start() { prep::recv(submit(), fd, room.data(), size); }
    void start_poll(std::uint32_t events) { prep::poll_multishot(submit(), fd, events); }

    void on_completion(std::int32_t res, std::uint32_t flags) noexcept override {
        CHECK(retired == activations - 1);
        results.push_back(res);
        if ((flags & IORING_CQE_F_MORE) == 0) ++ends;
    }
    void on_retired() noexcept override {
        CHECK(ends == activations);
        ++retired;
        CHECK_FALSE(outstanding());
    }

    int fd;
    std::size_t size;
    std::array<char, 16> room{};
    int activations = 1;
    int ends = 0;
    int retired = 0;
    std::vector<std::int32_t> results;
};

rf::test::sim_options seeded(std::uint64_t seed) {
    return {.seed = seed, .leave_descriptors = true};
}

}  // namespace

TEST_CASE(
    "operation: it retires once, after its own completion and that of its cancel, in any order") {
    int cancelled = 0;
    int finished = 0;
    rf::test::for_seeds(300, [&](std::uint64_t seed) {
        rf::test::run_sim(seeded(seed), [&](simulated_kernel& world) -> rf::task<> {
            const auto [near, far] = world.make_stream_pair();
            receive one(near);
            one.start();
            co_await rf::sleep_for(0ns);
            if (seed % 2 == 0) (void)world.write_now(far, "x");
            one.request_cancel();
            CHECK(one.cancel_sent());
            while (one.outstanding())
                co_await rf::sleep_for(1ms);
            CHECK(one.retired == 1);
            REQUIRE(one.results.size() == 1);
            rf::operation::is_cancelled(one.results[0]) ? ++cancelled : ++finished;
        });
    });
    CHECK(cancelled > 0);
    CHECK(finished > 0);
}

TEST_CASE("operation: a cancel in the same batch finds it") {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        rf::test::run_sim(seeded(seed), [](simulated_kernel& world) -> rf::task<> {
            receive one(world.make_stream_pair().first);
            one.start();
            one.request_cancel();
            while (one.outstanding())
                co_await rf::sleep_for(1ms);
            CHECK(one.results == std::vector<std::int32_t>{-ECANCELED});
        });
    });
}

TEST_CASE("operation: a second cancel is not sent, nor one of what is over") {
    rf::test::for_seeds(100, [](std::uint64_t seed) {
        rf::test::run_sim(seeded(seed), [](simulated_kernel& world) -> rf::task<> {
            receive one(world.make_stream_pair().first);
            one.request_cancel();
            CHECK_FALSE(one.cancel_sent());
            one.start();
            for (int i = 0; i < 3; ++i)
                one.request_cancel();
            while (one.outstanding()) {
                one.request_cancel();
                co_await rf::sleep_for(1ms);
            }
            one.request_cancel();
            co_await rf::sleep_for(10ms);
            CHECK(world.submitted(IORING_OP_ASYNC_CANCEL) == 1);
            CHECK(one.retired == 1);
        });
    });
}

TEST_CASE("operation: it can be submitted again once retired, and an old cancel does not hit it") {
    rf::test::for_seeds(200, [](std::uint64_t seed) {
        rf::test::run_sim(seeded(seed), [](simulated_kernel& world) -> rf::task<> {
            const auto [near, far] = world.make_stream_pair();
            receive one(near);
            for (int round = 1; round <= 5; ++round) {
                one.activations = round;
                one.start();
                CHECK_FALSE(one.cancel_sent());
                one.request_cancel();
                while (one.outstanding())
                    co_await rf::sleep_for(1ms);
            }
            one.activations = 6;
            one.start();
            co_await rf::sleep_for(1s);
            CHECK(one.outstanding());
            (void)world.write_now(far, "x");
            while (one.outstanding())
                co_await rf::sleep_for(1ms);
            CHECK(one.results.back() == 1);
            CHECK(one.retired == 6);
        });
    });
}

TEST_CASE("operation: a multishot one lives until the completion without F_MORE") {
    rf::test::for_seeds(200, [](std::uint64_t seed) {
        rf::test::run_sim(seeded(seed), [](simulated_kernel& world) -> rf::task<> {
            const int counter = world.make_eventfd();
            receive one(counter);
            one.start_poll(POLLIN);
            const std::uint64_t amount = 1;
            const std::string bytes(reinterpret_cast<const char*>(&amount), sizeof amount);
            for (int event = 0; event < 5 && one.outstanding(); ++event) {
                (void)world.write_now(counter, bytes);
                co_await rf::sleep_for(2ms);
                CHECK(one.results.size() == static_cast<std::size_t>(event + 1));
            }
            CHECK(one.outstanding() == (one.ends == 0));
            one.request_cancel();
            while (one.outstanding())
                co_await rf::sleep_for(1ms);
            CHECK(one.ends == 1);
            CHECK(one.retired == 1);
        });
    });
}

TEST_CASE("operation: what the kernel says in place of ECANCELED counts as cancelled") {
    for (const std::int32_t res : {-ECANCELED, -EINTR, -512, -513, -514, -516})
        CHECK(rf::operation::is_cancelled(res));
    for (const std::int32_t res : {0, 1, -EIO, -ECONNRESET, -ETIME, -511, -517})
        CHECK_FALSE(rf::operation::is_cancelled(res));
}

TEST_CASE("operation: a byte that came in spite of the cancel is delivered, and no byte is lost") {
    int late = 0;
    rf::test::for_seeds(500, [&](std::uint64_t seed) {
        rf::test::run_sim(seeded(seed), [&](simulated_kernel& world) -> rf::task<> {
            const auto [near, far] = world.make_stream_pair();
            const int peer = far;
            world.after(1ms, [&world, peer] { (void)world.write_now(peer, "x"); });
            // On the heap, so that a memory checker sees a request that outlives its wait.
            auto room = std::make_unique<char>('\0');
            const int own = near;
            const auto came = co_await rf::move_on_after(1ms + 10us * (seed % 20), [&] {
                return [](int fd, char* to) -> rf::task<int> {
                    const int size = co_await receive_byte(fd, to);
                    co_return size;
                }(own, room.get());
            });
            if (came.has_value()) {
                CHECK(*came == 1);
                CHECK(*room == 'x');
                if (world.time() > 1'100'000) ++late;
            }
            room.reset();
            co_await rf::sleep_for(10ms);
            CHECK(came.has_value() == world.read_now(own).empty());
        });
    });
    CHECK(late > 0);
}

TEST_CASE("operation: a thousand cancelled at once through a small ring all retire") {
    rf::test::for_seeds(10, [](std::uint64_t seed) {
        rf::test::sim_options options = seeded(seed);
        options.world.sq_entries = 4;
        options.world.cq_entries = 8;
        rf::test::run_sim(options, [](simulated_kernel& world) -> rf::task<> {
            const int fd = world.make_stream_pair().first;
            std::vector<char> room(1000);
            const auto end = co_await rf::move_on_after(5ms, [&] {
                return rf::with_nursery([&](rf::nursery& jobs) -> rf::task<> {
                    for (char& byte : room)
                        jobs.spawn(
                            [](int from, char* to) -> rf::task<> {
                                (void)co_await receive_byte(from, to);
                            },
                            fd, &byte);
                    co_return;
                });
            });
            CHECK_FALSE(static_cast<bool>(end));
            CHECK(world.pending_requests() == 0);
        });
    });
}

TEST_CASE("operation: destroying one that the kernel holds aborts with a sentence") {
    const auto end = rf::test::run_to_death([] {
        (void)rf::test::report_sim({}, [](simulated_kernel& world) -> rf::task<> {
            auto one = std::make_unique<receive>(world.make_stream_pair().first);
            one->start();
            co_await rf::sleep_for(1ms);
            one.reset();
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("an operation was destroyed while the kernel still holds it"));
}

TEST_CASE("operation: submitting one that is outstanding aborts with a sentence") {
    const auto end = rf::test::run_to_death([] {
        (void)rf::test::report_sim({}, [](simulated_kernel& world) -> rf::task<> {
            receive one(world.make_stream_pair().first);
            one.start();
            co_await rf::sleep_for(1ms);
            one.start();
        });
    });
    CHECK(end.signal == SIGABRT);
    CHECK(end.says("submitted while it is still outstanding"));
}
