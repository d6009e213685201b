// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RF_PLAIN_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define RF_PLAIN_FRAMES 1
#endif
#endif
#ifndef RF_PLAIN_FRAMES
#define RF_PLAIN_FRAMES 0
#endif

namespace rf {

/// What the calling thread's frame pool holds.
struct frame_pool_statistics {
    std::size_t blocks_live = 0;     // handed out and not returned
    std::size_t bytes_live = 0;      // their sizes, rounded up to the size class
    std::size_t bytes_reserved = 0;  // taken from the system
};

/// Where coroutine frames and task records come from: free lists per size class, one pool per
/// thread, no lock. Frames are freed by the thread that made them, because tasks never migrate.
///
/// Cost: about 2 ns to take or return a block. Blocks over 2 KiB, and every block in a sanitizer
///   build, come from operator new, so that the tools see frames.
/// Memory: grows to the highest use and is given back when the thread ends, or by trim() while
///   nothing is out.
class frame_pool {
public:
    [[nodiscard]] static void* allocate(std::size_t size);
    static void release(void* block, std::size_t size) noexcept;

    /// Cost: a walk over the free blocks.
    [[nodiscard]] static frame_pool_statistics statistics() noexcept;

    /// Returns the reserved memory to the system if no block is out. Returns whether it did.
    static bool trim() noexcept;

    /// For tests: counts blocks from now on, and fails the `nth` (1 is the next; 0: none) with
    /// std::bad_alloc.
    static void count_blocks(std::uint64_t fail_nth) noexcept;
    /// Ends that. Returns how many were asked for.
    static std::uint64_t stop_counting() noexcept;
    /// Blocks asked for so far in that.
    [[nodiscard]] static std::uint64_t blocks_counted() noexcept;
};

// Implementation

namespace detail {

struct frame_pool_state {
    static constexpr std::size_t class_bytes = 16;
    static constexpr std::size_t classes = 128;  // up to 2 KiB

    struct free_block {
        free_block* next;
    };
    static constexpr std::size_t lists = classes + 1;
    // By class. The second half stays empty: while blocks are counted, allocate() looks there, so
    // that each of them takes the way through frame_pool_refill().
    free_block* free[2 * lists] = {};
    std::size_t look_at = 0;  // 0, or `lists`
    char* chunk_at = nullptr;
    std::size_t chunk_left = 0;
    void* chunks = nullptr;  // each begins with a pointer to the one before
    // What is out is told by what was cut, less what is in the free lists: so taking and
    // returning a block counts nothing.
    std::size_t blocks_cut = 0;
    std::size_t bytes_cut = 0;
    std::size_t large_live = 0;  // blocks from operator new
    std::size_t large_bytes = 0;
    std::size_t bytes_reserved = 0;
    std::uint64_t asked = 0;    // blocks, while they are counted
    std::uint64_t fail_at = 0;  // the one of these that fails; 0: none
};

inline thread_local constinit frame_pool_state frame_pool_here{};

[[nodiscard, gnu::noinline]] void* frame_pool_refill(frame_pool_state& pool, std::size_t index);
[[nodiscard, gnu::noinline]] void* frame_pool_large(frame_pool_state& pool, std::size_t size);
[[gnu::noinline]] void frame_pool_release_large(frame_pool_state& pool, void* block,
                                                std::size_t size) noexcept;

}  // namespace detail

inline void* frame_pool::allocate(std::size_t size) {
    detail::frame_pool_state& pool = detail::frame_pool_here;
    const std::size_t index = (size + pool.class_bytes - 1) / pool.class_bytes;
    if (RF_PLAIN_FRAMES || index > pool.classes) [[unlikely]]
        return detail::frame_pool_large(pool, size);
    detail::frame_pool_state::free_block** const place = &pool.free[index + pool.look_at];
    void* block = *place;
    if (block != nullptr) [[likely]]
        *place = (*place)->next;
    else
        block = detail::frame_pool_refill(pool, index);
    return block;
}

inline void frame_pool::release(void* block, std::size_t size) noexcept {
    detail::frame_pool_state& pool = detail::frame_pool_here;
    const std::size_t index = (size + pool.class_bytes - 1) / pool.class_bytes;
    if (RF_PLAIN_FRAMES || index > pool.classes) [[unlikely]]
        return detail::frame_pool_release_large(pool, block, size);
    auto* free = static_cast<detail::frame_pool_state::free_block*>(block);
    free->next = pool.free[index];
    pool.free[index] = free;
}

}  // namespace rf
