// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/detail/pipe_state.hpp>
#include <ringfence/runtime/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace rf::io {

/// The end of a pipe, FIFO or terminal that bytes come out of.
///
/// Cancellation: read_some is total: a byte that was read is delivered even if the cancel came
///   first, and one that was not stays in the pipe.
/// Lifetime: outlives the tasks that read; closing or destroying it while one does aborts. The
///   descriptor is closed through the ring.
/// Errors: io_error "pipe read". Threads: one loop. Cost: reading allocates nothing.
class pipe_reader {
public:
    pipe_reader() noexcept = default;

    /// Takes over a descriptor, blocking or not. `kind` is a literal for the ledger.
    [[nodiscard]] static pipe_reader from_descriptor(int fd, const char* kind = "pipe reader");

    /// Up to `to.size()` bytes; 0 when every writer has closed and all is read.
    [[nodiscard]] detail::pipe_awaiter read_some(std::span<std::byte> to) noexcept {
        return {*state_, to};
    }
    void close() noexcept { state_.reset(); }

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    [[nodiscard]] std::uint64_t bytes_read() const noexcept { return state_->bytes_moved; }
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }
    /// Gives the descriptor away, open; the handle is empty. Nobody may be reading.
    [[nodiscard]] int release() noexcept;

private:
    detail::descriptor_handle<detail::pipe_state> state_;
};

/// The end of a pipe, FIFO or terminal that bytes go into.
///
/// The first one made has the process ignore SIGPIPE, unless the program has dealt with that signal
/// itself: writing where nobody reads is EPIPE. Processes started with io::process get the default
/// back.
///
/// Cancellation: write_some is total; write_all is partial, and bytes_written() says how much.
/// Lifetime, threads, cost: as pipe_reader. Errors: io_error "pipe write"; EPIPE: no reader.
class pipe_writer {
public:
    pipe_writer() noexcept = default;

    /// Takes over a descriptor, blocking or not.
    [[nodiscard]] static pipe_writer from_descriptor(int fd, const char* kind = "pipe writer");

    /// Writes what there is room for, at least one byte; returns how many.
    [[nodiscard]] detail::pipe_awaiter write_some(std::span<const std::byte> from) noexcept {
        return {*state_, from, false};
    }
    /// Writes all of it. Up to 4096 bytes (PIPE_BUF) are never mixed with another writer's.
    [[nodiscard]] detail::pipe_awaiter write_all(std::span<const std::byte> from) noexcept {
        return {*state_, from, true};
    }
    [[nodiscard]] detail::pipe_awaiter write_all(std::string_view text) noexcept {
        return {*state_, std::as_bytes(std::span(text)), true};
    }
    /// The readers see the end of the stream, once all writers are closed.
    void close() noexcept { state_.reset(); }

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(state_); }
    [[nodiscard]] std::uint64_t bytes_written() const noexcept { return state_->bytes_moved; }
    [[nodiscard]] int native_handle() const noexcept { return state_->fd(); }
    /// Gives the descriptor away, open; the handle is empty. Nobody may be writing.
    [[nodiscard]] int release() noexcept;

private:
    detail::descriptor_handle<detail::pipe_state> state_;
};

struct pipe_ends {
    pipe_reader reader;
    pipe_writer writer;
};

/// A new pipe, close-on-exec. Throws io_error (EMFILE) at the limit of descriptors.
[[nodiscard]] pipe_ends make_pipe();

}  // namespace rf::io
