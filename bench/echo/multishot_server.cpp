// SPDX-License-Identifier: MIT
// The floor: what an echo costs when nothing but the kernel is left. One multishot accept, one
// multishot receive a connection into a shared ring of buffers, direct descriptors, and one send
// of a connection under way at a time, so that bytes stay in order.
#include "programs.hpp"
#include "raw_ring.hpp"
#include "totals.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <vector>

namespace echo {
namespace {

constexpr std::uint32_t buffers_count = 1024;
constexpr std::uint32_t connections_max = 16384;
constexpr std::uint32_t none = 0xffff'ffff;

enum class request : std::uint64_t { accept = 1, receive, send, close, stop };

std::uint64_t tagged(request what, std::uint32_t slot, std::uint32_t buffer = 0) {
    return static_cast<std::uint64_t>(what) << 56 | std::uint64_t{buffer} << 32 | slot;
}

struct connection {
    std::uint32_t first = none;  // buffers received and not yet sent, oldest first
    std::uint32_t last = none;
    bool sending = false;
    bool receiving = false;
    bool ended = false;
};

class server {
public:
    explicit server(const floor_options& options)
        : ring_(4096, 32768), buffers_(ring_, buffers_count, options.buffer_bytes),
          connections_(connections_max), nodes_(buffers_count) {
        ring_.reserve_descriptors(connections_max);
        listener_ = listen_on(options.port);
        io_uring_sqe& stop = ring_.entry();
        io_uring_prep_poll_add(&stop, termination(), POLLIN);
        stop.user_data = tagged(request::stop, 0);
        accept_more();
    }

    void run() {
        while (!stopped_) {
            ring_.submit_and_wait(1);
            unsigned head = 0;
            unsigned seen = 0;
            io_uring_cqe* done = nullptr;
            io_uring_for_each_cqe(&ring_.native(), head, done) {
                ++seen;
                take(*done);
            }
            buffers_.publish();
            io_uring_cq_advance(&ring_.native(), seen);
        }
        print_totals(ring_.enters());
    }

private:
    struct node {
        std::uint32_t next = none;
        std::uint32_t size = 0;
    };

    void accept_more() {
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_multishot_accept_direct(&sqe, listener_, nullptr, nullptr, 0);
        sqe.user_data = tagged(request::accept, 0);
    }

    void receive_more(std::uint32_t slot) {
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_recv_multishot(&sqe, static_cast<int>(slot), nullptr, 0, 0);
        sqe.flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
        sqe.buf_group = raw_buffers::group;
        sqe.user_data = tagged(request::receive, slot);
        connections_[slot].receiving = true;
    }

    void send_first(std::uint32_t slot) {
        connection& peer = connections_[slot];
        const std::uint32_t buffer = peer.first;
        peer.first = nodes_[buffer].next;
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_send(&sqe, static_cast<int>(slot), buffers_.address(buffer),
                           nodes_[buffer].size, MSG_WAITALL | MSG_NOSIGNAL);
        sqe.flags |= IOSQE_FIXED_FILE;
        sqe.user_data = tagged(request::send, slot, buffer);
        peer.sending = true;
    }

    void take(const io_uring_cqe& done) {
        const auto slot = static_cast<std::uint32_t>(done.user_data);
        switch (static_cast<request>(done.user_data >> 56)) {
        case request::accept:
            if (done.res >= 0) {
                const auto fresh = static_cast<std::uint32_t>(done.res);
                connections_[fresh] = {};
                receive_more(fresh);
            }
            if ((done.flags & IORING_CQE_F_MORE) == 0) accept_more();
            return;
        case request::receive: received(slot, done); return;
        case request::send: sent(slot, done); return;
        case request::close: return;
        case request::stop: stopped_ = true; return;
        }
    }

    void received(std::uint32_t slot, const io_uring_cqe& done) {
        connection& peer = connections_[slot];
        peer.receiving = (done.flags & IORING_CQE_F_MORE) != 0;
        if (done.res > 0) {
            const std::uint32_t buffer = done.flags >> IORING_CQE_BUFFER_SHIFT;
            nodes_[buffer] = {none, static_cast<std::uint32_t>(done.res)};
            if (peer.first == none)
                peer.first = buffer;
            else
                nodes_[peer.last].next = buffer;
            peer.last = buffer;
            if (!peer.sending) send_first(slot);
        } else if (done.res != -ENOBUFS) {
            peer.ended = true;
        }
        if (!peer.receiving && !peer.ended) receive_more(slot);
        close_if_done(slot);
    }

    void sent(std::uint32_t slot, const io_uring_cqe& done) {
        connection& peer = connections_[slot];
        peer.sending = false;
        buffers_.put(static_cast<std::uint32_t>(done.user_data >> 32) & 0xffff);
        if (done.res < 0) {
            peer.ended = true;
            for (; peer.first != none; peer.first = nodes_[peer.first].next)
                buffers_.put(peer.first);
        }
        if (peer.first != none) send_first(slot);
        close_if_done(slot);
    }

    void close_if_done(std::uint32_t slot) {
        const connection& peer = connections_[slot];
        if (!peer.ended || peer.sending || peer.receiving || peer.first != none) return;
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_close_direct(&sqe, slot);
        sqe.user_data = tagged(request::close, slot);
    }

    raw_ring ring_;
    raw_buffers buffers_;
    std::vector<connection> connections_;
    std::vector<node> nodes_;
    int listener_ = -1;
    bool stopped_ = false;
};

}  // namespace

int serve_multishot(const floor_options& options) {
    server(options).run();
    return 0;
}

}  // namespace echo
