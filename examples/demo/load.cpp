// SPDX-License-Identifier: MIT
#include "load.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <span>
#include <utility>

namespace demo {

using namespace std::chrono_literals;
using rf::io::tcp_stream;
using message = std::span<const std::byte>;

std::uint64_t dice::roll() noexcept {
    // splitmix64: a counter, well mixed.
    std::uint64_t mixed = (state_ += 0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

std::uint64_t dice::spread(unsigned bits) noexcept {
    const std::uint64_t top = std::uint64_t{1} << below(bits + 1);
    return top / 2 + 1 + below(top - top / 2);
}

std::vector<std::byte> make_pattern(std::uint64_t seed) {
    dice random(seed);
    std::vector<std::byte> bytes(std::size_t{4} << message_bits_max);
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
        const std::uint64_t eight = random.roll();
        std::memcpy(bytes.data() + i, &eight, sizeof eight);
    }
    return bytes;
}

namespace {

// Above this a message is read while it is written: else both sides could wait for the other.
constexpr std::size_t written_at_once_max = 16 * 1024;

constexpr std::size_t slow_piece_bytes = 4096;
constexpr auto slow_pause = 1ms;

enum class manner { steady, cancelled, reset, slow };

manner choose(dice& random) {
    switch (random.below(20)) {
    case 0:
    case 1: return manner::cancelled;
    case 2: return manner::reset;
    case 3: return manner::slow;
    default: return manner::steady;
    }
}

struct live_count {
    figures& seen;
    explicit live_count(figures& counted) noexcept : seen(counted) { ++seen.connected; }
    live_count(const live_count&) = delete;
    live_count& operator=(const live_count&) = delete;
    ~live_count() { --seen.connected; }
};

message pick_message(const load& with, dice& random) {
    const auto size = static_cast<std::size_t>(random.spread(message_bits_max));
    return message(with.pattern).subspan(random.below(with.pattern.size() - size), size);
}

void compare(figures& seen, message got, message expected) {
    seen.bytes += got.size();
    if (std::memcmp(got.data(), expected.data(), got.size()) == 0) return;
    for (std::size_t i = 0; i < got.size(); ++i)
        seen.bytes_wrong += got[i] != expected[i] ? 1 : 0;
}

// The two readers return false if the stream ends first.

rf::task<bool> receive(figures& seen, tcp_stream& peer, message expected) {
    while (!expected.empty()) {
        auto chunk = co_await peer.read();
        if (!chunk) co_return false;
        const std::size_t size = std::min(chunk.size(), expected.size());
        seen.bytes_wrong += chunk.size() - size;  // more than was sent
        compare(seen, chunk.bytes().first(size), expected.first(size));
        expected = expected.subspan(size);
    }
    co_return true;
}

rf::task<bool> receive_slowly(figures& seen, tcp_stream& peer, message expected) {
    std::vector<std::byte> piece(slow_piece_bytes);
    while (!expected.empty()) {
        co_await rf::sleep_for(slow_pause);
        const std::size_t size = co_await peer.read_some(
            std::span(piece).first(std::min(piece.size(), expected.size())));
        if (size == 0) co_return false;
        compare(seen, std::span(piece).first(size), expected.first(size));
        expected = expected.subspan(size);
    }
    co_return true;
}

rf::task<> send(tcp_stream& peer, message text) { co_await peer.write_all(text); }

rf::task<bool> exchange(figures& seen, tcp_stream& peer, message text, bool slowly) {
    const auto start = rf::clock::now();
    bool whole = false;
    if (text.size() <= written_at_once_max && !slowly) {
        co_await peer.write_all(text);
        whole = co_await receive(seen, peer, text);
    } else {
        auto reading = receive(seen, peer, text);
        if (slowly) reading = receive_slowly(seen, peer, text);
        auto both = co_await rf::when_all(send(peer, text), std::move(reading));
        whole = std::get<1>(both);
    }
    if (!whole) co_return false;
    ++seen.messages;
    if (!slowly) seen.round_trips.add(rf::clock::now() - start);
    co_return true;
}

// False if the service hung up.
rf::task<bool> talk(const load& with, dice& random, bool slowly) {
    auto peer = co_await tcp_stream::connect(with.target);
    live_count counted(*with.seen);
    for (std::uint64_t left = random.spread(slowly ? 4 : 8); left != 0; --left) {
        const bool answered =
            co_await exchange(*with.seen, peer, pick_message(with, random), slowly);
        if (!answered) co_return false;
    }
    co_return true;
}

rf::task<bool> hang_up_rudely(const load& with, dice& random) {
    auto peer = co_await tcp_stream::connect(with.target);
    live_count counted(*with.seen);
    for (std::uint64_t left = random.below(8); left != 0; --left) {
        const bool answered =
            co_await exchange(*with.seen, peer, pick_message(with, random), false);
        if (!answered) co_return false;
    }
    co_await peer.write_some(pick_message(with, random));
    peer.abort();
    ++with.seen->reset;
    co_return true;
}

rf::task<bool> talk_until_cancelled(const load& with, dice& random) {
    rf::cancel_scope scope;
    scope.set_timeout(std::chrono::microseconds(random.spread(18)));
    const auto end = co_await scope.run([&] { return talk(with, random, false); });
    if (!end) ++with.seen->cancelled;
    if (end && *end) ++with.seen->finished;
    co_return end.value_or(true);
}

rf::task<bool> visit_once(const load& with, dice& random) {
    const manner how = choose(random);
    if (how == manner::reset) co_return co_await hang_up_rudely(with, random);
    if (how == manner::cancelled) co_return co_await talk_until_cancelled(with, random);
    const bool finished = co_await talk(with, random, how == manner::slow);
    if (finished) ++with.seen->finished;
    if (finished && how == manner::slow) ++with.seen->slow;
    co_return finished;
}

void note_end(figures& seen, const char* how) {
    if (seen.stopping) {
        ++seen.cut;
        return;
    }
    if (seen.failures++ == 0) seen.first_failure = how;
}

}  // namespace

rf::task<> visit(const load& with, std::uint64_t seed) {
    dice random(seed);
    while (!with.seen->stopping) {
        try {
            const bool in_order = co_await visit_once(with, random);
            if (!in_order) note_end(*with.seen, "the service hung up");
        } catch (const rf::io_error& error) {
            note_end(*with.seen, error.what());
        }
        // A service that refuses everybody must not make this a loop without rest.
        if (with.seen->failures != 0) co_await rf::sleep_for(10ms);
    }
}

}  // namespace demo
