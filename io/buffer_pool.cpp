// SPDX-License-Identifier: MIT
#include <ringfence/io/buffer_pool.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

namespace rf::io {
namespace {

thread_local constinit buffer_pool_options next_options{};

// How many buffers the kernel is shown at first. It takes them in turn, so few of them stay in the
// cache; since 6.13 it finishes at most 20 requests per call under DEFER_TASKRUN.
constexpr std::uint32_t window_first = 64;

constexpr std::size_t cache_line = 64;

// Buffers a power of two apart would begin in the same set of every cache: one line more.
constexpr std::size_t stride_for(std::size_t bytes) {
    return (bytes + cache_line - 1) / cache_line * cache_line + cache_line;
}

}  // namespace

chunk chunk::copy_of(std::span<const std::byte> bytes) {
    if (bytes.empty()) return {};
    auto* memory = static_cast<std::byte*>(::operator new(bytes.size()));
    std::memcpy(memory, bytes.data(), bytes.size());
    return {memory, static_cast<std::uint32_t>(bytes.size()), 0, nullptr};
}

void chunk::free_copy() noexcept { ::operator delete(data_); }

buffer_pool::pages::~pages() { std::free(memory_); }

void buffer_pool::pages::allocate(std::size_t bytes) {
    memory_ = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    if (memory_ == nullptr) {
#if RF_EXCEPTIONS
        throw std::bad_alloc();
#else
        std::abort();
#endif
    }
}

buffer_pool& buffer_pool::here() { return loop::here().service<buffer_pool>(); }

void buffer_pool::configure(const buffer_pool_options& options) noexcept {
    RF_ASSERT(std::has_single_bit(options.count) && options.count <= 32768,
              "buffer_pool_options::count must be a power of two, at most 32768");
    RF_ASSERT(options.bytes > 0, "buffer_pool_options::bytes must not be 0");
    next_options = options;
}

buffer_pool::buffer_pool(loop& owner)
    : owner_(owner), options_(next_options), stride_(stride_for(options_.bytes)) {
    memory_.allocate(options_.count * stride_);
    nodes_.resize(options_.count);
    if (owner.kernel().features().buf_ring) {
        const std::size_t bytes = options_.count * sizeof(io_uring_buf);
        ring_memory_.allocate(bytes);
        std::memset(ring_memory_.get(), 0, bytes);
        auto* ring = static_cast<io_uring_buf_ring*>(ring_memory_.get());
        // Refused for want of locked memory, for one: then the pool does without.
        if (owner.kernel().register_buffer_ring(ring, options_.count, group) == 0) ring_ = ring;
    }
    free_.reserve(options_.count);
    window_ = std::min(options_.count, window_first);
    for (std::uint32_t id = options_.count; id-- != 0;)
        put(static_cast<std::uint16_t>(id));
}

buffer_pool::~buffer_pool() {
    RF_ASSERT(out_ == 0 && hungry_.empty(), "receive buffers were still out when their loop ended");
    if (ring_ != nullptr) owner_.kernel().unregister_buffer_ring(group);
}

void buffer_pool::list_resources(const resource_visitor& visit) const {
    for (std::size_t id = 0; id < nodes_.size(); ++id) {
        if (!nodes_[id].out) continue;
        resource one{.kind = resource_kind::ring_buffer,
                     .name = "receive buffer",
                     .number = static_cast<std::int64_t>(id),
                     .task_id = nodes_[id].task,
                     .guard = nodes_[id].guard,
                     .function = nullptr,
                     .opened = nodes_[id].opened};
        owner_.add_opening(one, id);
        visit(one);
    }
}

std::uint16_t buffer_pool::lend() noexcept {
    if (free_.empty()) return none;
    const std::uint16_t id = free_.back();
    free_.pop_back();
    ++out_;
    ++owner_.counters().buffers;
    return id;
}

void buffer_pool::keep(std::uint16_t id) noexcept { free_.push_back(id); }  // reserved in full

void buffer_pool::top_up() noexcept {
    if (ring_ == nullptr) return;
    while (offered_ < window_ && !free_.empty()) {
        const std::uint16_t id = free_.back();
        free_.pop_back();
        put(id);
    }
}

void buffer_pool::ran_dry() noexcept {
    window_ = std::min(options_.count, window_ * 2);
    top_up();
}

}  // namespace rf::io
