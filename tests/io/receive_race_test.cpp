// SPDX-License-Identifier: MIT
// Cancelling a receive while bytes arrive, on the real kernel: no byte may be lost, doubled or
// reordered, whoever wins.
#include "tests/io/masked_run.hpp"
#include <ringfence/runtime/cancel_scope.hpp>

#include <array>
#include <tests/io/socket_test.hpp>

using namespace socket_test;
using namespace std::chrono_literals;

namespace {

// Few resumptions a turn, and a look at the kernel in each: or the cancels of a whole turn meet the
// bytes of one write.
const rf::run_options closely{.limits = {.resumptions_max = 4, .idle_turns_max = 1}};

struct race_state {
    std::uint32_t piece_max = 24;  // bytes written at once
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    int cancels = 0;
    std::uint64_t cancels_won = 0;
    std::uint64_t data_won = 0;
    rf::cancel_scope* reading = nullptr;
    bool in_order = true;
    bool writer_done = false;
};

// Sends numbered bytes, in pieces of random size, until the races are over.
template <class Stream>
rf::task<> write_numbered(Stream* to, race_state* state, int races, std::uint32_t seed) {
    std::minstd_rand random(seed);
    std::vector<std::byte> piece;
    while (state->cancels < races) {
        fill_numbered(piece, state->sent, 1 + random() % state->piece_max);
        co_await to->write_all(piece);
        state->sent += piece.size();
        for (auto turns = random() % 4; turns != 0; --turns)
            co_await rf::this_task::yield();
    }
    state->writer_done = true;
    co_await to->shutdown_write();
}

// Cancels whatever read is under way, at random turns: before the bytes are sent, in one batch with
// them, and after.
rf::task<> cancel_reads(race_state* state, int races, std::uint32_t seed) {
    std::minstd_rand random(seed);
    while (state->cancels < races) {
        for (auto turns = random() % 4; turns != 0; --turns)
            co_await rf::this_task::yield();
        if (state->reading != nullptr) {
            std::exchange(state->reading, nullptr)->cancel("race");
            ++state->cancels;
        }
        co_await rf::this_task::yield();
    }
}

template <class Stream>
rf::task<std::size_t> read_once(Stream& from, race_state& state, bool borrowed) {
    if (borrowed) {
        auto chunk = co_await from.read();
        if (!is_numbered(chunk, state.received)) state.in_order = false;
        state.received += chunk.size();
        co_return chunk.size();
    }
    std::array<std::byte, 40> own;
    const std::size_t size = co_await from.read_some(own);
    if (!is_numbered(std::span(own).first(size), state.received)) state.in_order = false;
    state.received += size;
    co_return size;
}

enum class way { borrowed, own, mixed };

template <class Stream>
rf::task<> read_under_cancel(Stream* from, race_state* state, way how, std::uint32_t seed) {
    std::minstd_rand random(seed);
    for (;;) {
        rf::cancel_scope scope;
        if (!state->writer_done) state->reading = &scope;
        const bool borrowed = how == way::borrowed || (how == way::mixed && random() % 2 != 0);
        auto size = co_await scope.run([&] { return read_once(*from, *state, borrowed); });
        state->reading = nullptr;
        if (!size) {
            ++state->cancels_won;
            co_await rf::this_task::yield();
        } else if (*size == 0) {
            co_return;
        } else {
            ++state->data_won;
        }
    }
}

template <class Stream>
rf::task<> race(Stream client, Stream server, int races, way how, std::uint32_t piece_max = 24) {
    race_state state;
    state.piece_max = piece_max;
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(write_numbered<Stream>, &client, &state, races, 7u);
        both.spawn(cancel_reads, &state, races, 13u);
        both.spawn(read_under_cancel<Stream>, &server, &state, how, 11u);
        co_return;
    });
    MESSAGE("cancels won ", state.cancels_won, ", data won ", state.data_won, ", bytes ",
            state.sent);
    CHECK(state.in_order);
    CHECK(state.received == state.sent);
    CHECK(state.cancels == races);
    // Both sides win often, or it was no race.
    CHECK(state.cancels_won > static_cast<std::uint64_t>(races / 20));
    CHECK(state.data_won > static_cast<std::uint64_t>(races / 20));
}

rf::task<> race_over_tcp(int races, way how) {
    auto ends = co_await tcp_pair();
    co_await race(std::move(ends.first), std::move(ends.second), races, how);
}

// Pieces so large that the receive is ended for want of readers, and armed again, all the time.
rf::task<> race_while_rearming(int races, way how) {
    auto ends = co_await tcp_pair();
    co_await race(std::move(ends.first), std::move(ends.second), races, how, 400'000);
}

rf::task<> race_over_unix(int races, way how) {
    auto ends = rf::io::unix_stream::pair();
    co_await race(std::move(ends.first), std::move(ends.second), races, how);
}

}  // namespace

TEST_CASE("stream: cancelling a borrowing read loses no byte (tcp)") {
    run_ok([] { return race_over_tcp(rounds(40'000), way::borrowed); }, closely);
}
TEST_CASE("stream: cancelling a read into own memory loses no byte (tcp)") {
    run_ok([] { return race_over_tcp(rounds(40'000), way::own); }, closely);
}
TEST_CASE("stream: cancelling reads of both kinds in turn loses no byte (tcp)") {
    run_ok([] { return race_over_tcp(rounds(20'000), way::mixed); }, closely);
}
TEST_CASE("stream: cancelling a borrowing read loses no byte (unix)") {
    run_ok([] { return race_over_unix(rounds(20'000), way::borrowed); }, closely);
}
TEST_CASE("stream: cancelling a read into own memory loses no byte (unix)") {
    run_ok([] { return race_over_unix(rounds(20'000), way::own); }, closely);
}
TEST_CASE("stream: cancelling reads while the receive is ended and armed anew loses no byte") {
    run_ok([] { return race_while_rearming(rounds(2'000), way::borrowed); });
    run_ok([] { return race_while_rearming(rounds(2'000), way::mixed); });
}

// By default the receive of a socket is one multishot request with buffers from a ring.
TEST_CASE("stream: cancelling reads loses no byte without multishot receives or buffer rings") {
    for (const std::string& mask : {std::string("multishot_recv"), std::string("buf_ring")}) {
        CAPTURE(mask);
        const disabled_features without(mask);
        for (const way how : {way::borrowed, way::own, way::mixed})
            run_ok(
                [how]() -> rf::task<> {
                    CHECK_FALSE(rf::loop::here().kernel().features().multishot_recv);
                    co_await race_over_tcp(rounds(4'000), how);
                },
                closely);
        run_ok([] { return race_while_rearming(rounds(500), way::mixed); });
    }
}

TEST_CASE("stream: a deadline and a cancel from outside that meet unwind a read once") {
    run_ok([]() -> rf::task<> {
        auto ends = co_await tcp_pair();
        int by_deadline = 0;
        int by_parent = 0;
        for (int i = 0; i < rounds(1'000); ++i) {
            rf::cancel_scope outer;
            auto got = co_await outer.run([&]() -> rf::task<int> {
                co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
                    both.spawn([&, i]() -> rf::task<> {
                        for (int turns = i % 7; turns != 0; --turns)
                            co_await rf::this_task::yield();
                        outer.cancel("from outside");
                    });
                    std::array<std::byte, 4> own;
                    co_await rf::move_on_after(std::chrono::microseconds(i % 5),
                                               ends.second.read_some(own));
                    ++by_deadline;
                });
                co_return 1;
            });
            if (!got) ++by_parent;
        }
        CHECK(by_deadline > 0);
        CHECK(by_parent > 0);
        co_await ends.first.write_all("x");
        auto chunk = co_await ends.second.read();
        CHECK(chunk.text() == "x");
    });
}
