// SPDX-License-Identifier: MIT
#include <ringfence/runtime/frame_pool.hpp>

#include <ringfence/runtime/assert.hpp>

#include <algorithm>
#include <bit>
#include <new>

namespace rf {
namespace detail {
namespace {

constexpr std::size_t chunk_least = 64 * 1024;
constexpr std::size_t chunk_most = 1024 * 1024;
constexpr std::size_t malloc_header = 16;
constexpr std::size_t chunk_header = 16;  // the link, and the alignment of frames

// The pool itself has no destructor, so that reading it needs no guard; this object, made with
// the first chunk, has one.
struct chunk_keeper {
    bool armed = false;
    ~chunk_keeper() { frame_pool::trim(); }
};
thread_local chunk_keeper keeper;

void count_block(frame_pool_state& pool) {
#if RF_EXCEPTIONS
    if (++pool.asked == pool.fail_at) throw std::bad_alloc();
#else
    ++pool.asked;
#endif
}

}  // namespace

void* frame_pool_refill(frame_pool_state& pool, std::size_t index) {
    if (pool.look_at != 0) [[unlikely]] {
        count_block(pool);
        if (frame_pool_state::free_block* block = pool.free[index]; block != nullptr) {
            pool.free[index] = block->next;
            return block;
        }
    }
    const std::size_t bytes = index * pool.class_bytes;
    if (pool.chunk_left < bytes) {
        // What is left of the old chunk, less than one block of this class, goes to its own class.
        if (const std::size_t rest = pool.chunk_left / pool.class_bytes; rest > 0) {
            auto* block = reinterpret_cast<frame_pool_state::free_block*>(pool.chunk_at);
            block->next = pool.free[rest];
            pool.free[rest] = block;
            pool.blocks_cut += 1;
            pool.bytes_cut += rest * pool.class_bytes;
            pool.chunk_left = 0;
        }
        keeper.armed = true;
        // Each a part of what there is, so that what chunks cost themselves stays small; and with
        // room for what malloc puts before it, so that it takes no page more.
        const std::size_t chunk_bytes =
            std::clamp(std::bit_floor(pool.bytes_reserved / 4), chunk_least, chunk_most) -
            malloc_header;
        auto* chunk = static_cast<char*>(::operator new(chunk_bytes));
        *reinterpret_cast<void**>(chunk) = pool.chunks;
        pool.chunks = chunk;
        pool.bytes_reserved += chunk_bytes;
        pool.chunk_at = chunk + chunk_header;
        pool.chunk_left = chunk_bytes - chunk_header;
    }
    void* block = pool.chunk_at;
    pool.chunk_at += bytes;
    pool.chunk_left -= bytes;
    pool.blocks_cut += 1;
    pool.bytes_cut += bytes;
    return block;
}

void* frame_pool_large(frame_pool_state& pool, std::size_t size) {
    count_block(pool);
    void* block = ::operator new(size);
    pool.large_live += 1;
    pool.large_bytes += size;
    pool.bytes_reserved += size;
    return block;
}

void frame_pool_release_large(frame_pool_state& pool, void* block, std::size_t size) noexcept {
    pool.large_live -= 1;
    pool.large_bytes -= size;
    pool.bytes_reserved -= size;
    ::operator delete(block);
}

}  // namespace detail

frame_pool_statistics frame_pool::statistics() noexcept {
    const auto& pool = detail::frame_pool_here;
    frame_pool_statistics now{pool.blocks_cut + pool.large_live, pool.bytes_cut + pool.large_bytes,
                              pool.bytes_reserved};
    for (std::size_t index = 1; index <= pool.classes; ++index)
        for (const auto* block = pool.free[index]; block != nullptr; block = block->next) {
            --now.blocks_live;
            now.bytes_live -= index * pool.class_bytes;
        }
    return now;
}

void frame_pool::count_blocks(std::uint64_t fail_nth) noexcept {
    auto& pool = detail::frame_pool_here;
    pool.look_at = pool.lists;
    pool.asked = 0;
    pool.fail_at = fail_nth;
}

std::uint64_t frame_pool::stop_counting() noexcept {
    auto& pool = detail::frame_pool_here;
    pool.look_at = 0;
    pool.fail_at = 0;
    return pool.asked;
}

std::uint64_t frame_pool::blocks_counted() noexcept { return detail::frame_pool_here.asked; }

bool frame_pool::trim() noexcept {
    auto& pool = detail::frame_pool_here;
    if (statistics().blocks_live != 0) return false;
    for (void* chunk = pool.chunks; chunk != nullptr;) {
        void* before = *static_cast<void**>(chunk);
        ::operator delete(chunk);
        chunk = before;
    }
    pool = detail::frame_pool_state{};
    return true;
}

}  // namespace rf
