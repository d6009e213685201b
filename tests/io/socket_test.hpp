// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/tcp_listener.hpp>
#include <ringfence/io/tcp_stream.hpp>
#include <ringfence/io/unix_socket.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/runtime/this_task.hpp>
#include <ringfence/runtime/timeout.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace socket_test {

/// Runs `fn` on the real kernel; fails the test if it fails, leaks or deadlocks.
template <class F>
void run_ok(F fn, const rf::run_options& options = {}) {
    const rf::run_report report = rf::run_and_report(std::move(fn), options);
    CHECK_MESSAGE(report.refusal.empty(), report.refusal);
    CHECK_MESSAGE(report.deadlock.empty(), report.deadlock);
    CHECK_MESSAGE(report.leaks.empty(), report.leaks);
    CHECK(report.final.empty());
#if RF_EXCEPTIONS
    if (report.error != nullptr) std::rethrow_exception(report.error);
#endif
}

/// How often something random is done: `few`, or ten times that under ./dev test --all.
inline int rounds(int few) { return std::getenv("RF_TEST_ALL") != nullptr ? few * 10 : few; }

/// Two ends of one TCP connection on loopback.
inline rf::task<std::pair<rf::io::tcp_stream, rf::io::tcp_stream>> tcp_pair() {
    auto listener = rf::io::tcp_listener::bind({"127.0.0.1", 0});
    rf::io::tcp_stream client = co_await rf::io::tcp_stream::connect(listener.local());
    rf::io::tcp_stream server = co_await listener.accept();
    co_return std::pair(std::move(client), std::move(server));
}

/// A stream of numbered bytes: the n-th is a function of n, so a lost, doubled or reordered byte
/// shows at once.
[[nodiscard]] inline std::byte numbered(std::uint64_t n) {
    return static_cast<std::byte>((n * 2654435761u) >> 24);
}
inline void fill_numbered(std::vector<std::byte>& out, std::uint64_t from, std::size_t count) {
    out.resize(count);
    for (std::size_t i = 0; i < count; ++i)
        out[i] = numbered(from + i);
}
[[nodiscard]] inline bool is_numbered(std::span<const std::byte> bytes, std::uint64_t from) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
        if (bytes[i] != numbered(from + i)) return false;
    return true;
}

}  // namespace socket_test
