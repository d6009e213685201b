// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/unix_socket.hpp>
#include <ringfence/leakcheck/simulated_kernel.hpp>

#include <coroutine>
#include <utility>

namespace rf::corpus {

/// Two ends of one connection, of the simulated kernel or the real one. Awaited, so that the line
/// is known at which they are opened, as it is with connect() and accept(); never waits.
class [[nodiscard]] stream_pair {
public:
    explicit stream_pair(bool simulated) noexcept : simulated_(simulated) {}
    [[nodiscard]] bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    [[nodiscard]] std::pair<io::unix_stream, io::unix_stream> await_resume() const {
        if (!simulated_) return io::unix_stream::pair();
        const auto ends = leakcheck::simulated_kernel::here().make_stream_pair();
        return {io::unix_stream::from_fd(ends.first), io::unix_stream::from_fd(ends.second)};
    }

private:
    bool simulated_;
};

}  // namespace rf::corpus
