// SPDX-License-Identifier: MIT
#pragma once

#include <ringfence/runtime/detail/intrusive_list.hpp>
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/uring_constants.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace rf::io {

class buffer_pool;

/// Sizes of a loop's receive buffers. A ring hands its buffers out in turn and so walks through all
/// of its memory: no larger than needed. A buffer smaller than a message costs a second receive.
struct buffer_pool_options {
    std::uint32_t count = 256;        // a power of two, at most 32768
    std::uint32_t bytes = 16 * 1024;  // of each
};

/// Received bytes in a borrowed buffer: a view that gives the buffer back when it is destroyed.
/// Empty, and false, at the end of the stream.
///
/// Hold it no longer than needed: the buffers are shared by all sockets of the loop.
class [[nodiscard]] chunk {
public:
    chunk() noexcept = default;
    chunk(chunk&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
          id_(other.id_), pool_(std::exchange(other.pool_, nullptr)) {}
    chunk& operator=(chunk&& other) noexcept {
        chunk old(std::move(*this));
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
        id_ = other.id_;
        pool_ = std::exchange(other.pool_, nullptr);
        return *this;
    }
    inline ~chunk();

    [[nodiscard]] explicit operator bool() const noexcept { return size_ != 0; }
    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(data_), size_};
    }
    operator std::span<const std::byte>() const noexcept { return {data_, size_}; }

    /// Bytes in memory of their own: a copy of `bytes`. For what has to be kept for long, or must
    /// not hold a shared buffer.
    [[nodiscard]] static chunk copy_of(std::span<const std::byte> bytes);

private:
    friend class buffer_pool;
    void free_copy() noexcept;
    chunk(std::byte* data, std::uint32_t size, std::uint16_t id, buffer_pool* pool) noexcept
        : data_(data), size_(size), id_(id), pool_(pool) {}

    std::byte* data_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint16_t id_ = 0;
    buffer_pool* pool_ = nullptr;
};

/// The receive buffers of one loop: a ring shared with the kernel, which picks one when data is
/// there, so that an idle connection holds none. Where the kernel has no buffer rings, the same
/// buffers are lent out one by one.
///
/// Invariant: every buffer is in the ring, in a socket's queue, or in a chunk; `out()` counts the
/// last two and is zero when the loop ends.
/// Threads: one loop. Made on first use; configure before that.
class buffer_pool final : public loop_service {
public:
    static constexpr std::uint16_t group = 1;
    static constexpr std::uint16_t none = 0xffff;

    explicit buffer_pool(loop& owner);
    ~buffer_pool() override;

    /// The pool of the calling thread's loop.
    [[nodiscard]] static buffer_pool& here();

    /// Sizes for the pools that this thread makes from now on.
    static void configure(const buffer_pool_options& options) noexcept;

    /// Whether the kernel picks the buffers.
    [[nodiscard]] bool is_ring() const noexcept { return ring_ != nullptr; }
    [[nodiscard]] std::uint32_t buffer_bytes() const noexcept { return options_.bytes; }
    [[nodiscard]] std::uint32_t count() const noexcept { return options_.count; }
    /// Buffers not in the ring.
    [[nodiscard]] std::uint32_t out() const noexcept { return out_; }

    /// Books a buffer that a completion named (its id is in the flags).
    void taken_by_kernel() noexcept {
        ++out_;
        ++owner_.counters().buffers;
        if (--offered_ < window_ / 2) [[unlikely]]
            top_up();
    }
    /// The kernel found the ring empty: it is shown more buffers at a time from now on.
    void ran_dry() noexcept;
    /// Without a ring: a free buffer, or `none`.
    [[nodiscard]] std::uint16_t lend() noexcept;
    [[nodiscard]] std::byte* address(std::uint16_t id) noexcept {
        return static_cast<std::byte*>(memory_.get()) + std::size_t{id} * stride_;
    }
    /// Puts a buffer back and lets the oldest stream that ran out of buffers go on.
    void give_back(std::uint16_t id) noexcept;

    /// Makes a chunk of a booked buffer.
    [[nodiscard]] chunk make_chunk(std::uint16_t id, std::uint32_t offset,
                                   std::uint32_t size) noexcept {
#if RF_BOOKKEEPING
        if (const rf::detail::task_record* task = rf::detail::slot.current; task != nullptr) {
            nodes_[id].task = task->id;
            nodes_[id].guard = task->guard;
            if (task->leaf != nullptr) nodes_[id].opened = task->leaf->at;
            if (owner_.watched()) [[unlikely]]
                owner_.tell_of_opening(resource_kind::ring_buffer, id);
        }
        nodes_[id].out = true;
#endif
        return {address(id) + offset, size, id, this};
    }

    // Buffers received and not yet read form queues: id -> next id, length.
    struct queued {
        std::uint16_t next;
        std::uint32_t size;
        std::uint64_t task = 0;  // of the chunk: who took it, and the leak guard around that task
        std::uint32_t guard = 0;
        bool out = false;
        std::source_location opened{};  // and the read that gave it
    };
    [[nodiscard]] queued& node(std::uint16_t id) noexcept { return nodes_[id]; }

    /// Waits for a buffer to come back: told once, then off the list.
    struct hungry : rf::detail::list_hook {
        void (*on_buffer)(hungry&) noexcept = nullptr;
    };
    void wait_for_buffer(hungry& who) noexcept { hungry_.push_back(who); }
    [[nodiscard]] bool has_free() const noexcept { return out_ < options_.count; }

    /// The buffers in chunks, with the task that took each.
    void list_resources(const resource_visitor& visit) const override;

private:
    friend class chunk;
    void put(std::uint16_t id) noexcept;
    void keep(std::uint16_t id) noexcept;
    void top_up() noexcept;

    // With a ring, every buffer is one of three: offered to the kernel, out, or in free_.
    loop& owner_;
    buffer_pool_options options_;
    std::size_t stride_;  // from one buffer to the next
    std::uint32_t out_ = 0;
    std::uint32_t offered_ = 0;  // in the ring
    std::uint32_t window_ = 0;   // as many are offered, if there are
    std::uint16_t tail_ = 0;
    class pages {
    public:
        pages() noexcept = default;
        pages(const pages&) = delete;
        pages& operator=(const pages&) = delete;
        ~pages();
        /// Once.
        void allocate(std::size_t bytes);
        [[nodiscard]] void* get() const noexcept { return memory_; }

    private:
        void* memory_ = nullptr;
    };
    pages memory_;
    pages ring_memory_;
    io_uring_buf_ring* ring_ = nullptr;
    std::vector<queued> nodes_;
    std::vector<std::uint16_t> free_;  // the one used last is at the back
    rf::detail::intrusive_list<hungry> hungry_;
};

// Implementation

inline chunk::~chunk() {
    if (pool_ != nullptr)
        pool_->give_back(id_);
    else if (data_ != nullptr) [[unlikely]]
        free_copy();
}

inline void buffer_pool::put(std::uint16_t id) noexcept {
    if (ring_ == nullptr || offered_ >= window_) {
        keep(id);
        return;
    }
    ++offered_;
    // liburing writes the same three fields; `tail` shares the place of bufs[0].resv.
    io_uring_buf& slot = rf::detail::abi::ring_buffers(ring_)[tail_ & (options_.count - 1)];
    slot.addr = reinterpret_cast<std::uint64_t>(address(id));
    slot.len = options_.bytes;
    slot.bid = id;
    ++tail_;
    __atomic_store_n(&ring_->tail, tail_, __ATOMIC_RELEASE);
}

inline void buffer_pool::give_back(std::uint16_t id) noexcept {
    RF_ASSERT(out_ != 0, "a receive buffer was given back twice");
    --out_;
    --owner_.counters().buffers;
    nodes_[id].out = false;
    put(id);
    if (!hungry_.empty()) [[unlikely]] {
        hungry& who = hungry_.pop_front();
        who.on_buffer(who);
    }
}

}  // namespace rf::io
