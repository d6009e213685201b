// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/io/buffer_pool.hpp>
#include <ringfence/runtime/detail/owned.hpp>
#include <ringfence/runtime/operation.hpp>
#include <ringfence/runtime/waiter.hpp>

#include <cstdint>

namespace rf::io::detail {

/// Wakes the one task that waits for a receiver. Base of the read awaiters.
class read_waiter : public waiter {
public:
    void wake() noexcept { resume(); }
    /// The task's scope drains and the stream is one whose input ends then.
    void on_drain() noexcept override;

protected:
    read_waiter() noexcept = default;
    read_waiter(read_waiter&&) noexcept = default;
    ~read_waiter() = default;
    class receiver* source_ = nullptr;
};

/// The receiving half of a stream socket: the request belongs to the socket, the task only to its
/// queue. So cancelling a task that waits to read touches no kernel state and loses no byte.
///
/// With buffer rings and multishot receives one request serves the socket for life; without, it is
/// submitted anew for each read, and where there are no buffer rings either it comes behind a poll,
/// so that here too a socket that waits holds no buffer. `queue_max` unread buffers end the request
/// until they have been read, and what the kernel had posted by then is copied out, so that a peer
/// that floods a slow reader cannot take the buffers of others.
class receiver final : operation, buffer_pool::hungry {
public:
    static constexpr std::uint16_t queue_max = 16;

    /// `on_idle(owner)` is called when a stopped receiver has come to rest.
    receiver(int fd, void (*on_idle)(void* owner) noexcept, void* owner) noexcept;
    ~receiver();

    /// Whether a read would not have to wait: bytes, the end of the stream, or an error.
    [[nodiscard]] bool ready() const noexcept {
        return head_ != buffer_pool::none || !spilled_.empty() || ended_ || error_ != 0;
    }
    /// Bytes are queued or the request is armed: reads must come this way.
    [[nodiscard]] bool in_use() const noexcept {
        return outstanding() || ready() || hungry::linked();
    }
    [[nodiscard]] int error() const noexcept { return error_; }
    /// Takes the error: the next read sees the end of the stream.
    [[nodiscard]] int take_error() noexcept { return std::exchange(error_, 0); }
    /// What a read made past this receiver found: the end, or an error.
    void note_end() noexcept { ended_ = true; }

    /// The oldest unread buffer; empty at the end of the stream.
    [[nodiscard]] chunk take() noexcept;
    /// Copies unread bytes out; 0 at the end of the stream.
    [[nodiscard]] std::size_t copy_to(std::byte* to, std::size_t size) noexcept;

    /// Registers the one waiting reader, and submits the request if it is not under way.
    void wait(read_waiter& reader) noexcept;
    void forget(read_waiter& reader) noexcept;
    [[nodiscard]] bool has_reader() const noexcept { return reader_ != nullptr; }

    /// Cancels the request and drops unread bytes. `on_idle` tells when the kernel has let go.
    void stop() noexcept;
    [[nodiscard]] bool idle() const noexcept { return !outstanding(); }

    /// Ends the input as far as readers are concerned: what is queued is read, then comes the end.
    /// A socket whose request is not armed is asked once more, without waiting, what has arrived.
    void end_input() noexcept;
    bool ends_at_drain = false;
    bool read_past = false;  // a task receives into its own memory meanwhile
    std::uint64_t bytes_received = 0;

    static constexpr const char* two_readers =
        "two tasks read from one stream at the same time: bytes would go to either; let one read "
        "and hand on what it got";

private:
    void arm() noexcept;
    void push(std::uint16_t id, std::uint32_t size) noexcept;
    void append_copy(std::span<const std::byte> bytes) noexcept;
    void take_what_has_arrived() noexcept;
    void wake_reader() noexcept;
    void on_completion(std::int32_t res, std::uint32_t flags) noexcept override;
    void on_retired() noexcept override;

    buffer_pool* pool_ = nullptr;  // found on first use
    read_waiter* reader_ = nullptr;
    void (*on_idle_)(void* owner) noexcept;
    void* owner_;
    int fd_;
    int error_ = 0;
    struct spill {
        rf::detail::owned<spill> next;
        chunk bytes;
    };
    // What came beyond queue_max, behind the queue. A list, because an empty one is two pointers.
    struct spill_list {
        rf::detail::owned<spill> first;
        spill* last = nullptr;
        [[nodiscard]] bool empty() const noexcept { return first == nullptr; }
    };
    [[nodiscard]] chunk take_spilled() noexcept;

    spill_list spilled_;
    std::uint32_t offset_ = 0;  // bytes of the oldest buffer already copied out
    std::uint16_t head_ = buffer_pool::none;
    std::uint16_t tail_ = buffer_pool::none;
    std::uint16_t queued_ = 0;
    std::uint16_t lent_ = buffer_pool::none;  // without a ring: the buffer under the request
    bool ended_ = false;
    bool starved_ = false;  // the last request ended for want of a buffer
    bool stopped_ = false;
    bool polling_ = false;   // without a ring: the request under way is the poll
    bool readable_ = false;  // without a ring: there are bytes, or were when somebody looked
};

}  // namespace rf::io::detail
