// SPDX-License-Identifier: MIT
#include <ringfence/io/detail/datagram_receiver.hpp>

#include <ringfence/runtime/uring_requests.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rf::io::detail {
namespace {

// Smaller buffers than this (somebody configured them so) would cut every datagram.
constexpr std::size_t payload_min = 512;

}  // namespace

datagram_receiver::datagram_receiver(int fd, std::uint32_t name_room,
                                     void (*on_idle)(void* owner) noexcept, void* owner) noexcept
    : on_idle_(on_idle), owner_(owner), fd_(fd), name_room_(name_room) {
    on_buffer = [](hungry& self) noexcept {
        auto& starving = static_cast<datagram_receiver&>(self);
        if (!starving.waiting_.empty() && !starving.outstanding()) starving.arm();
    };
}

datagram_receiver::~datagram_receiver() {
    RF_ASSERT(waiting_.empty(), "a datagram socket was closed while a task receives from it");
}

std::size_t datagram_receiver::overhead() const noexcept {
    return sizeof(io_uring_recvmsg_out) + name_room_;
}

void datagram_receiver::wait(datagram_waiter& who) noexcept {
    waiting_.push_back(who);
    if (!outstanding() && !hungry::linked()) arm();
}

void datagram_receiver::forget(datagram_waiter& who) noexcept {
    who.unlink();
    if (waiting_.empty() && hungry::linked()) hungry::unlink();
}

void datagram_receiver::arm() noexcept {
    if (pool_ == nullptr) pool_ = &buffer_pool::here();
    message_ = {};
    message_.msg_namelen = name_room_;
    const std::size_t room = std::max<std::size_t>(pool_->buffer_bytes(), overhead() + payload_min);
    if (rf::detail::slot.owner->kernel().features().multishot_recvmsg && pool_->is_ring() &&
        room == pool_->buffer_bytes()) {
        // A request on an empty ring fails at once even if no datagram is there (seen on 6.18).
        if (!pool_->has_free())
            pool_->wait_for_buffer(*this);
        else
            rf::detail::prep::recvmsg_multishot(submit(), fd_, &message_, buffer_pool::group);
        return;
    }
    if (single_ == nullptr) single_ = std::make_unique<std::byte[]>(room);
    single_part_ = {single_.get() + overhead(), room - overhead()};
    message_.msg_name = single_.get() + sizeof(io_uring_recvmsg_out);
    message_.msg_iov = &single_part_;
    message_.msg_iovlen = 1;
    rf::detail::prep::recvmsg(submit(), fd_, &message_);
}

chunk datagram_receiver::copy_single(std::int32_t size) const noexcept {
    io_uring_recvmsg_out header{};
    header.namelen = message_.msg_namelen;
    header.payloadlen = static_cast<std::uint32_t>(size);
    header.flags = static_cast<std::uint32_t>(message_.msg_flags);
    std::memcpy(single_.get(), &header, sizeof header);
    return chunk::copy_of({single_.get(), overhead() + static_cast<std::size_t>(size)});
}

void datagram_receiver::on_completion(std::int32_t res, std::uint32_t flags) noexcept {
    chunk buffer;
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        pool_->taken_by_kernel();
        // Booked in any case: one that came with an error or too late goes back from here.
        buffer = pool_->make_chunk(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT), 0,
                                   static_cast<std::uint32_t>(std::max(res, 0)));
    }
    if (stopped_) return;
    if (res >= 0) {
        if (message_.msg_iov != nullptr)
            buffer = copy_single(res);
        else if (waiting_.empty() && queue_.size() - first_ >= queue_max && buffer)
            buffer = chunk::copy_of(buffer);
        arrived(std::move(buffer));
        if (queue_.size() - first_ >= queue_max && (flags & IORING_CQE_F_MORE) != 0)
            request_cancel();
    } else if (res != -EINTR && res != -EAGAIN && res != -ENOBUFS &&
               !(cancel_sent() && operation::is_cancelled(res))) {
        if (waiting_.empty())
            error_ = -res;
        else
            waiting_.pop_front().fail(-res);
    }
}

void datagram_receiver::arrived(chunk&& datagram) noexcept {
    if (!waiting_.empty()) {
        waiting_.pop_front().deliver(std::move(datagram));
        return;
    }
    // What has been taken still lies in front: a reader that is never quite done would let it grow
    // for ever.
    if (first_ >= queue_max)
        queue_.erase(queue_.begin(),
                     queue_.begin() + static_cast<std::ptrdiff_t>(std::exchange(first_, 0)));
    queue_.push_back(std::move(datagram));
}

void datagram_receiver::on_retired() noexcept {
    if (stopped_) {
        on_idle_(owner_);
        return;
    }
    // The end of a request is no event of its own: if somebody waits, the next begins.
    if (!waiting_.empty()) arm();
}

chunk datagram_receiver::take() noexcept {
    chunk oldest = std::move(queue_[first_]);
    if (++first_ == queue_.size()) {
        queue_.clear();  // and keeps its memory
        first_ = 0;
    }
    return oldest;
}

datagram_receiver::parts datagram_receiver::parse(const chunk& datagram) const noexcept {
    if (datagram.size() < overhead()) return {{}, nullptr, 0, false};
    io_uring_recvmsg_out header;
    std::memcpy(&header, datagram.data(), sizeof header);
    const std::span<std::byte> payload = datagram.bytes().subspan(overhead());
    return {payload.first(std::min<std::size_t>(payload.size(), header.payloadlen)),
            reinterpret_cast<const sockaddr*>(datagram.data() + sizeof header),
            static_cast<socklen_t>(std::min(header.namelen, name_room_)),
            (header.flags & MSG_TRUNC) != 0};
}

void datagram_receiver::stop() noexcept {
    RF_ASSERT(waiting_.empty(), "a datagram socket was closed while a task receives from it");
    stopped_ = true;
    if (hungry::linked()) hungry::unlink();
    queue_.clear();
    first_ = 0;
    request_cancel();
}

}  // namespace rf::io::detail
