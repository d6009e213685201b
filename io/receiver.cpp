// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/receiver.hpp>

#include <ringfence/runtime/detail/scope_node.hpp>
#include <ringfence/runtime/system_calls.hpp>
#include <ringfence/runtime/uring_requests.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace rf::io::detail {

void read_waiter::on_drain() noexcept {
    if (source_ != nullptr && source_->ends_at_drain) source_->end_input();
}

receiver::receiver(int fd, void (*on_idle)(void* owner) noexcept, void* owner) noexcept
    : on_idle_(on_idle), owner_(owner), fd_(fd) {
    on_buffer = [](hungry& self) noexcept {
        auto& starving = static_cast<receiver&>(self);
        if (starving.reader_ != nullptr && !starving.outstanding()) starving.arm();
    };
}

receiver::~receiver() {
    RF_ASSERT(reader_ == nullptr, "a stream was closed while a task reads from it");
}

void receiver::wait(read_waiter& reader) noexcept {
    RF_ASSERT(reader_ == nullptr && !read_past, two_readers);
    reader_ = &reader;
    if (ends_at_drain && rf::detail::slot.current->scope->draining()) {
        // A connection that was accepted as the drain began may have asked something already.
        if (!outstanding() || polling_) take_what_has_arrived();
        if (ready())
            wake_reader();
        else
            end_input();
        return;
    }
    if (!outstanding() && !hungry::linked()) arm();
}

void receiver::forget(read_waiter& reader) noexcept {
    RF_ASSERT(reader_ == &reader, "a read was cancelled that is not under way");
    reader_ = nullptr;
    if (hungry::linked()) hungry::unlink();
}

void receiver::arm() noexcept {
    if (pool_ == nullptr) pool_ = &buffer_pool::here();
    starved_ = false;
    const kernel_features& can = rf::detail::slot.owner->kernel().features();
    if (!pool_->is_ring()) {
        // No request takes a buffer along before there are bytes: as many silent peers as there are
        // buffers would keep all others from being read.
        if (!readable_) {
            polling_ = true;
            rf::detail::prep::poll_add(submit(), fd_, POLLIN);
            return;
        }
        lent_ = pool_->lend();
        if (lent_ == buffer_pool::none) {
            pool_->wait_for_buffer(*this);
            return;
        }
        readable_ = false;
        rf::detail::prep::recv(submit(), fd_, pool_->address(lent_), pool_->buffer_bytes(),
                               MSG_DONTWAIT);
    } else if (!pool_->has_free()) {
        // A request on an empty ring fails at once even if no data is there (seen on 6.18): it is
        // submitted when a buffer comes back, and not before.
        pool_->wait_for_buffer(*this);
    } else if (can.multishot_recv) {
        rf::detail::prep::recv_multishot(submit(), fd_, buffer_pool::group);
    } else {
        rf::detail::prep::recv_select(submit(), fd_, buffer_pool::group);
    }
}

void receiver::on_completion(std::int32_t res, std::uint32_t flags) noexcept {
    if (std::exchange(polling_, false)) {
        readable_ = res > 0;
        if (res < 0 && res != -EINTR && !(cancel_sent() && operation::is_cancelled(res)))
            error_ = -res;
        if (reader_ != nullptr && ready()) wake_reader();
        return;
    }
    std::uint16_t id = buffer_pool::none;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        id = static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
        pool_->taken_by_kernel();
    } else if (lent_ != buffer_pool::none) {
        id = std::exchange(lent_, buffer_pool::none);
    }
    if (res > 0 && !stopped_) {
        bytes_received += static_cast<std::uint64_t>(res);
        push(id, static_cast<std::uint32_t>(res));
        if (queued_ >= queue_max && (flags & IORING_CQE_F_MORE) != 0) request_cancel();
    } else {
        // On every path: a buffer that came with an error or for a stopped socket goes back too.
        if (id != buffer_pool::none) pool_->give_back(id);
        if (res == 0)
            ended_ = true;
        else if (res == -ENOBUFS) {
            starved_ = true;
            pool_->ran_dry();
        } else if (res < 0 && res != -EINTR && res != -EAGAIN &&
                   !(cancel_sent() && operation::is_cancelled(res)))
            error_ = -res;
    }
    if (reader_ != nullptr && ready()) wake_reader();
}

void receiver::on_retired() noexcept {
    if (stopped_) {
        on_idle_(owner_);
        return;
    }
    // The end of a multishot request is no event of its own: if somebody waits, the next begins.
    if (reader_ == nullptr || ready()) return;
    if (starved_ && pool_->has_free() == false)
        pool_->wait_for_buffer(*this);
    else
        arm();
}

void receiver::push(std::uint16_t id, std::uint32_t size) noexcept {
    if (queued_ >= queue_max || !spilled_.empty()) {
        append_copy({pool_->address(id), size});
        pool_->give_back(id);
        return;
    }
    pool_->node(id) = {buffer_pool::none, size};
    if (head_ == buffer_pool::none)
        head_ = id;
    else
        pool_->node(tail_).next = id;
    tail_ = id;
    ++queued_;
}

void receiver::append_copy(std::span<const std::byte> bytes) noexcept {
    auto more = std::make_unique<spill>();
    more->bytes = chunk::copy_of(bytes);
    spill* last = more.get();
    (spilled_.empty() ? spilled_.first : spilled_.last->next) = std::move(more);
    spilled_.last = last;
}

void receiver::take_what_has_arrived() noexcept {
    std::array<std::byte, 4096> arrived;
    const std::int64_t size = system_calls::here().receive_now(fd_, arrived);
    if (size > 0) {
        bytes_received += static_cast<std::uint64_t>(size);
        append_copy(std::span(arrived).first(static_cast<std::size_t>(size)));
    } else if (size < 0 && size != -EAGAIN && size != -EINTR) {
        error_ = static_cast<int>(-size);
    }
}

void receiver::wake_reader() noexcept { std::exchange(reader_, nullptr)->wake(); }

chunk receiver::take_spilled() noexcept {
    rf::detail::owned<spill> oldest = std::move(spilled_.first);
    spilled_.first = std::move(oldest->next);
    if (const std::uint32_t offset = std::exchange(offset_, 0); offset != 0)
        return chunk::copy_of(oldest->bytes.bytes().subspan(offset));
    return std::move(oldest->bytes);
}

chunk receiver::take() noexcept {
    if (head_ == buffer_pool::none) return spilled_.empty() ? chunk() : take_spilled();
    const std::uint16_t id = head_;
    const buffer_pool::queued& node = pool_->node(id);
    const std::uint32_t offset = std::exchange(offset_, 0);
    chunk front = pool_->make_chunk(id, offset, node.size - offset);
    head_ = node.next;
    --queued_;
    return front;
}

std::size_t receiver::copy_to(std::byte* to, std::size_t size) noexcept {
    std::size_t done = 0;
    while (done < size && head_ != buffer_pool::none) {
        const std::uint16_t id = head_;
        const buffer_pool::queued node = pool_->node(id);
        const std::size_t part = std::min<std::size_t>(size - done, node.size - offset_);
        std::memcpy(to + done, pool_->address(id) + offset_, part);
        done += part;
        offset_ += static_cast<std::uint32_t>(part);
        if (offset_ == node.size) {
            offset_ = 0;
            head_ = node.next;
            --queued_;
            pool_->give_back(id);
        }
    }
    while (done < size && head_ == buffer_pool::none && !spilled_.empty()) {
        const std::span<std::byte> oldest = spilled_.first->bytes.bytes().subspan(offset_);
        const std::size_t part = std::min(size - done, oldest.size());
        std::memcpy(to + done, oldest.data(), part);
        done += part;
        offset_ += static_cast<std::uint32_t>(part);
        if (part == oldest.size()) {
            offset_ = 0;
            spilled_.first = std::move(spilled_.first->next);
        }
    }
    return done;
}

void receiver::stop() noexcept {
    stopped_ = true;
    if (hungry::linked()) hungry::unlink();
    while (head_ != buffer_pool::none || !spilled_.empty())
        (void)take();
    request_cancel();
}

void receiver::end_input() noexcept {
    if (polling_ || hungry::linked()) take_what_has_arrived();
    ended_ = true;
    // Without a ring: bytes that a poll has found are on their way, and wake the reader themselves.
    if (reader_ != nullptr && lent_ == buffer_pool::none) wake_reader();
}

}  // namespace rf::io::detail
