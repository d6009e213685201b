// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/assert.hpp>

#include <utility>

namespace rf::io {

/// A connection on its way from one loop to another: an open descriptor that belongs to no loop.
///
///     jobs.spawn_on(rf::least_loaded_shard(), talk, co_await listener.accept_descriptor());
///
///     rf::task<> talk(rf::io::descriptor_in_flight arrived) {
///         auto peer = arrived.land<rf::io::tcp_stream>();
///
/// Comes from accept_descriptor() and stream::release(). Closed when destroyed, wherever that is,
/// so that one whose task is cancelled on the way is not lost. Threads: any, one at a time.
class descriptor_in_flight {
public:
    descriptor_in_flight() noexcept = default;
    /// Takes over an open descriptor.
    explicit descriptor_in_flight(int fd) noexcept : fd_(fd) {}
    [[nodiscard]] static descriptor_in_flight from_fd(int fd) noexcept {
        return descriptor_in_flight(fd);
    }
    descriptor_in_flight(descriptor_in_flight&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)) {}
    descriptor_in_flight& operator=(descriptor_in_flight&& other) noexcept;
    ~descriptor_in_flight();

    /// Makes it the calling loop's, as a `Stream`.
    template <class Stream>
    [[nodiscard]] Stream land() {
        Stream made = Stream::from_fd(fd_);  // if that throws, it is still ours
        fd_ = -1;
        return made;
    }

    /// Gives the descriptor up, unclosed.
    [[nodiscard]] int take() noexcept { return std::exchange(fd_, -1); }
    [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_ = -1;
};

namespace detail {

/// A stream on a descriptor that nobody else will close: closes it where there is no memory.
template <class Stream>
[[nodiscard]] Stream take_over(int fd) {
#if RF_EXCEPTIONS
    // Not by a guard: connections are accepted here, and none should pay for the one that fails.
    try {
        return Stream::from_fd(fd);
    } catch (...) {
        const descriptor_in_flight lost(fd);
        throw;
    }
#else
    return Stream::from_fd(fd);
#endif
}

}  // namespace detail

}  // namespace rf::io
