// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/buffer_pool.hpp>
#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>
#include <vector>

namespace rf::io::detail {

/// A task that waits for the next datagram of a socket. Base of the receive awaiters.
class datagram_waiter : public waiter, public rf::detail::list_hook {
public:
    /// The datagram is this waiter's from now on, whatever happens to it.
    void deliver(chunk&& got) noexcept {
        got_ = std::move(got);
        delivered_ = true;
        resume();
    }
    void fail(int code) noexcept {
        failure_ = code;
        resume();
    }

protected:
    datagram_waiter() noexcept = default;
    datagram_waiter(datagram_waiter&& other) noexcept : waiter(std::move(other)), list_hook() {}
    ~datagram_waiter() = default;

    chunk got_;
    int failure_ = 0;
    bool delivered_ = false;
};

/// The receiving half of a datagram socket: the request belongs to the socket, tasks only to its
/// line. So cancelling a task that waits touches no kernel state and loses no datagram.
///
/// With multishot receives one request serves the socket until an empty datagram, an error or a
/// want of buffers ends it, and then the next; without, one request a datagram, into memory of the
/// socket, and a copy. `queue_max` datagrams that nobody has taken end the request until they have
/// been taken; what the kernel had posted by then is copied out. More wait in the kernel, which
/// drops what its own queue cannot hold, as with any datagram socket.
///
/// Each chunk holds an io_uring_recvmsg_out, room for the sender's name, and the payload; a chunk
/// of no bytes is an empty datagram of an unknown sender.
class datagram_receiver final : operation, buffer_pool::hungry {
public:
    static constexpr std::size_t queue_max = 16;

    /// `name_room`: bytes of the longest address. `on_idle(owner)` is called when a stopped
    /// receiver has come to rest.
    datagram_receiver(int fd, std::uint32_t name_room, void (*on_idle)(void* owner) noexcept,
                      void* owner) noexcept;
    ~datagram_receiver();

    /// Whether a receive would not have to wait.
    [[nodiscard]] bool ready() const noexcept { return first_ != queue_.size() || error_ != 0; }
    /// Datagrams are queued or the request is armed: all receives must come this way.
    [[nodiscard]] bool in_use() const noexcept {
        return outstanding() || ready() || hungry::linked() || !waiting_.empty();
    }
    /// The oldest datagram. Only if ready() and there is one.
    [[nodiscard]] chunk take() noexcept;
    /// Takes the error that came behind the queued datagrams, or 0.
    [[nodiscard]] int take_error() noexcept {
        return first_ == queue_.size() ? std::exchange(error_, 0) : 0;
    }

    /// Gets in line, and submits the request if it is not under way.
    void wait(datagram_waiter& who) noexcept;
    /// Leaves the line.
    void forget(datagram_waiter& who) noexcept;

    /// Cancels the request and drops what nobody has taken.
    void stop() noexcept;
    [[nodiscard]] bool idle() const noexcept { return !outstanding(); }

    struct parts {
        std::span<std::byte> payload;
        const sockaddr* name;
        socklen_t name_size;
        bool truncated;
    };
    [[nodiscard]] parts parse(const chunk& datagram) const noexcept;

private:
    void arm() noexcept;
    void arrived(chunk&& datagram) noexcept;
    [[nodiscard]] chunk copy_single(std::int32_t size) const noexcept;
    void on_completion(std::int32_t res, std::uint32_t flags) noexcept override;
    void on_retired() noexcept override;
    [[nodiscard]] std::size_t overhead() const noexcept;

    buffer_pool* pool_ = nullptr;                          // found on first use
    rf::detail::intrusive_list<datagram_waiter> waiting_;  // empty while ready()
    std::vector<chunk> queue_;                             // from first_ on, oldest first
    std::size_t first_ = 0;
    void (*on_idle_)(void* owner) noexcept;
    void* owner_;
    int fd_;
    int error_ = 0;  // behind what is queued
    std::uint32_t name_room_;
    msghdr message_{};
    // Without multishot: header, name and payload of the one datagram in flight.
    rf::detail::owned<std::byte[]> single_;
    iovec single_part_{};
    bool stopped_ = false;
};

}  // namespace rf::io::detail
