// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

/// The programs in one executable that the echo benches start: servers and a load.
///
/// Each server listens on 127.0.0.1, says so in a line of its own, runs until SIGTERM and then
/// prints `enters=N allocations=N`, its totals. Counting costs nothing while it serves.
namespace echo {

/// What a user of ringfence would write.
int serve_ringfence(std::uint16_t port);

/// The same on `count` shards, each on a processor and with a port of its own. Each says in a line
/// `shard=N thread=TID port=N`, and its totals at the end.
int serve_shards(std::uint32_t count);

struct floor_options {
    std::uint16_t port = 0;
    std::uint32_t buffer_bytes = 4096;  // of each receive buffer: at least what arrives together
};

/// The least code that echoes: multishot receive into a buffer ring, direct descriptors.
int serve_multishot(const floor_options& options);

/// The same with one receive into the connection's own buffer at a time, then one send.
int serve_single(const floor_options& options);

struct load_options {
    std::uint16_t port = 0;
    int server = 0;           // process whose processor time is counted
    bool one_thread = false;  // `server` is one of its threads, and only that is counted
    std::uint32_t connections = 64;
    std::uint32_t bytes = 64;  // of a message
    std::uint32_t depth = 1;   // messages of a connection under way together, sent as one
    std::uint32_t milliseconds = 500;
    std::uint32_t warm_up_milliseconds = 100;
    /// All connections send, then all answers are awaited, and so on: the server works through
    /// batches of one size, however fast it is.
    bool lockstep = false;
};

/// Prints one line of `name=value`.
int load(const load_options& options);

}  // namespace echo
