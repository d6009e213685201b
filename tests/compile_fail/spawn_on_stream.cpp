// SPDX-License-Identifier: MIT
// expect: what belongs to a loop cannot go to another shard: a connection travels as an
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/runtime/nursery.hpp>

rf::task<> talk(rf::io::tcp_stream) { co_return; }
rf::task<> talk_there(rf::io::descriptor_in_flight) { co_return; }

void program(rf::nursery& jobs, rf::io::tcp_stream& peer) {
#ifdef RF_FIXED
    jobs.spawn_on(rf::shards()[0], talk_there, peer.release());
#else
    jobs.spawn_on(rf::shards()[0], talk, std::move(peer));
#endif
}
