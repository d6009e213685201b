// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

namespace rf::sync::detail {

/// A queue of items in one block of memory, with a bound or growing. Moves its items only when it
/// grows. Cost: one allocation when made with a bound, none until the first item without.
template <class T>
class item_ring {
public:
    [[nodiscard]] static item_ring bounded(std::size_t capacity) {
        item_ring made;
        made.limit_ = capacity;
        if (capacity != 0) made.grow(std::bit_ceil(capacity));
        made.room_ = capacity;
        return made;
    }
    [[nodiscard]] static item_ring unbounded() noexcept { return item_ring(); }

    item_ring(item_ring&& other) noexcept
        : block_(std::exchange(other.block_, nullptr)), mask_(std::exchange(other.mask_, 0)),
          room_(std::exchange(other.room_, 0)), head_(std::exchange(other.head_, 0)),
          tail_(std::exchange(other.tail_, 0)), limit_(other.limit_) {}
    item_ring& operator=(item_ring&&) = delete;
    ~item_ring() {
        clear();
        release();
    }

    [[nodiscard]] bool empty() const noexcept { return head_ == tail_; }
    [[nodiscard]] bool full() const noexcept { return size() == limit_; }
    [[nodiscard]] std::size_t size() const noexcept { return tail_ - head_; }
    [[nodiscard]] std::size_t capacity() const noexcept { return limit_; }
    /// How many went in, ever.
    [[nodiscard]] std::uint64_t pushed() const noexcept { return tail_; }
    /// How many came out, ever.
    [[nodiscard]] std::uint64_t popped() const noexcept { return head_; }

    /// Whether there was room; if not, `item` is untouched. Without a bound there is room always,
    /// but it may throw std::bad_alloc.
    [[nodiscard]] bool try_push(T& item) {
        const std::uint64_t place = tail_;  // the compiler cannot know that no item is in tail_
        if (place - head_ == room_) [[unlikely]] {
            if (room_ == limit_) return false;
            make_room();
        }
        ::new (static_cast<void*>(at(place))) T(std::move(item));
        tail_ = place + 1;
        return true;
    }
    /// For one that is not full.
    void push(T&& item) { (void)try_push(item); }
    /// Not when empty.
    T pop() noexcept {
        T* oldest = at(head_);
        T item(std::move(*oldest));
        std::destroy_at(oldest);
        ++head_;
        return item;
    }
    /// The item with so many older ones before it. Not beyond the newest.
    [[nodiscard]] T& operator[](std::size_t place) noexcept { return *at(head_ + place); }
    void clear() noexcept {
        for (; head_ != tail_; ++head_)
            std::destroy_at(at(head_));
    }

private:
    item_ring() noexcept = default;

    [[nodiscard]] T* at(std::uint64_t position) const noexcept {
        return block_ + static_cast<std::size_t>(position & mask_);
    }
    [[nodiscard]] std::size_t slots() const noexcept { return block_ == nullptr ? 0 : mask_ + 1; }
    [[gnu::noinline, gnu::cold]] void make_room() {
        grow(slots() == 0 ? 16 : slots() * 2);
        room_ = slots();
    }
    /// To so many slots, a power of two.
    void grow(std::size_t slots) {
        item_ring bigger;
        bigger.block_ = std::allocator<T>().allocate(slots);
        bigger.mask_ = slots - 1;
        for (std::uint64_t position = head_; position != tail_; ++position) {
            ::new (static_cast<void*>(bigger.at(position))) T(std::move(*at(position)));
            std::destroy_at(at(position));
        }
        std::swap(block_, bigger.block_);
        std::swap(mask_, bigger.mask_);
    }
    void release() noexcept {
        if (block_ != nullptr) std::allocator<T>().deallocate(block_, slots());
    }

    T* block_ = nullptr;
    std::size_t mask_ = 0;    // the number of slots, a power of two, less 1
    std::size_t room_ = 0;    // items that fit, until it grows; limit_ if it does not
    std::uint64_t head_ = 0;  // these count up for ever; at() wraps them
    std::uint64_t tail_ = 0;
    std::size_t limit_ = static_cast<std::size_t>(-1);
};

}  // namespace rf::sync::detail
