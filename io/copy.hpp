// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/buffered_reader.hpp>
#include <ringfence/io/buffered_writer.hpp>
#include <ringfence/runtime/task.hpp>
#include <ringfence/runtime/with_nursery.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rf::io {

/// Copies bytes until `from` ends; returns how many. Closes neither.
///
/// Sources with read(), which lends a buffer, are read that way: an idle copy holds no memory.
/// Cancellation: partial: what has been read and not yet written, at most `buffer_bytes` or one
///   lent buffer, is lost; the counters of the two ends tell.
/// Lifetime: both outlive the copy. Errors: those of the two ends.
template <class From, byte_sink To>
[[nodiscard]] task<std::uint64_t> copy(From& from, To& to, std::size_t buffer_bytes = 65536) {
    std::uint64_t total = 0;
    if constexpr (requires { from.read(); }) {
        while (auto chunk = co_await from.read()) {
            co_await to.write_all(std::span<const std::byte>(chunk.bytes()));
            total += chunk.size();
        }
    } else {
        std::vector<std::byte> buffer(buffer_bytes);
        for (;;) {
            const std::size_t got = co_await from.read_some(std::span(buffer));
            if (got == 0) break;
            co_await to.write_all(std::span<const std::byte>(buffer).first(got));
            total += got;
        }
    }
    co_return total;
}

/// What copy_both moved.
struct copy_totals {
    std::uint64_t a_to_b = 0;
    std::uint64_t b_to_a = 0;
};

namespace detail {
template <class From, class To>
task<> copy_and_finish(From& from, To& to, std::uint64_t& total) {
    total = co_await io::copy(from, to);
    co_await to.shutdown_write();
}
}  // namespace detail

/// Copies both ways at once between two streams, as a proxy does. When one side has no more to say,
/// the other is told so (shutdown_write) and may go on talking; returns when both have finished.
///
/// Cancellation and errors: as copy(); a failure of one direction cancels the other and is thrown.
template <class A, class B>
    requires requires(A& a, B& b) {
        a.shutdown_write();
        b.shutdown_write();
    }
[[nodiscard]] task<copy_totals> copy_both(A& a, B& b) {
    copy_totals totals;
    co_await with_nursery([&](nursery& both) -> task<> {
        both.spawn([&]() { return detail::copy_and_finish(a, b, totals.a_to_b); });
        both.spawn([&]() { return detail::copy_and_finish(b, a, totals.b_to_a); });
        co_return;
    });
    co_return totals;
}

}  // namespace rf::io
