// SPDX-License-Identifier: MIT
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace rf::io {
namespace {

// RFC 8305 section 4: the families take turns, the family of the first address first.
std::vector<endpoint> interleave(const std::vector<endpoint>& peers) {
    std::vector<endpoint> first;
    std::vector<endpoint> other;
    for (const endpoint& peer : peers)
        (peer.family() == peers.front().family() ? first : other).push_back(peer);
    std::vector<endpoint> mixed;
    for (std::size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
        if (i < first.size()) mixed.push_back(first[i]);
        if (i < other.size()) mixed.push_back(other[i]);
    }
    return mixed;
}

struct contest {
    tcp_options tcp;
    std::optional<tcp_stream> winner;
    std::optional<error> first_failure;
    std::string first_failed;
};

task<> attempt(contest* state, nursery* attempts, endpoint peer) {
    result<tcp_stream> made = co_await tcp_stream::try_connect(peer, state->tcp);
    if (!made) {
        if (!state->first_failure) {
            state->first_failure = made.error();
            state->first_failed = peer.to_string();
        }
        co_return;
    }
    // Two may be up in the same turn; the second closes.
    if (state->winner) co_return;
    state->winner = std::move(*made);
    attempts->cancel("another address answered first");
}

task<> wait_for(join_handle<void>& ended) { co_await ended; }

task<> try_all(contest* state, nursery* attempts, const std::vector<endpoint>& peers,
               std::chrono::milliseconds delay) {
    for (const endpoint& peer : peers) {
        join_handle<void> ended = attempts->async(attempt, state, attempts, peer);
        // The next begins when this one has failed, or after the delay beside it.
        co_await move_on_after(delay, wait_for(ended));
    }
}

}  // namespace

task<tcp_stream> connect_any(std::vector<endpoint> peers, happy_eyeballs_options options) {
    if (peers.empty()) throw_error({"connect", EDESTADDRREQ}, "to an empty list of addresses");
    peers = interleave(peers);
    contest state{options.tcp, {}, {}, {}};
    co_await with_nursery([&](nursery& attempts) -> task<> {
        co_await try_all(&state, &attempts, peers, options.attempt_delay);
    });
    if (!state.winner)
        throw_failure(request_kind::connect, state.first_failure->operation(),
                      state.first_failure->code(), "to " + state.first_failed);
    co_return std::move(*state.winner);
}

}  // namespace rf::io
