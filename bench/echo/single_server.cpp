// SPDX-License-Identifier: MIT
// The other floor: a buffer a connection, one receive into it, one send out of it.
#include "programs.hpp"
#include "raw_ring.hpp"
#include "totals.hpp"

#include <memory>
#include <poll.h>
#include <sys/socket.h>
#include <vector>

namespace echo {
namespace {

constexpr std::uint32_t connections_max = 16384;

enum class request : std::uint64_t { accept = 1, receive, send, close, stop };

std::uint64_t tagged(request what, std::uint32_t slot) {
    return static_cast<std::uint64_t>(what) << 56 | slot;
}

class server {
public:
    explicit server(const floor_options& options)
        : ring_(4096, 32768), bytes_(options.buffer_bytes), buffers_(connections_max) {
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
            io_uring_cq_advance(&ring_.native(), seen);
        }
        print_totals(ring_.enters());
    }

private:
    void accept_more() {
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_multishot_accept_direct(&sqe, listener_, nullptr, nullptr, 0);
        sqe.user_data = tagged(request::accept, 0);
    }

    void receive(std::uint32_t slot) {
        if (!buffers_[slot]) buffers_[slot] = std::make_unique<char[]>(bytes_);
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_recv(&sqe, static_cast<int>(slot), buffers_[slot].get(), bytes_, 0);
        sqe.flags |= IOSQE_FIXED_FILE;
        // Nothing has come yet, as a rule: trying first would be for nothing.
        sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
        sqe.user_data = tagged(request::receive, slot);
    }

    void send(std::uint32_t slot, int size) {
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_send(&sqe, static_cast<int>(slot), buffers_[slot].get(),
                           static_cast<std::size_t>(size), MSG_WAITALL | MSG_NOSIGNAL);
        sqe.flags |= IOSQE_FIXED_FILE;
        sqe.user_data = tagged(request::send, slot);
    }

    void close(std::uint32_t slot) {
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_close_direct(&sqe, slot);
        sqe.user_data = tagged(request::close, slot);
    }

    void take(const io_uring_cqe& done) {
        const auto slot = static_cast<std::uint32_t>(done.user_data);
        switch (static_cast<request>(done.user_data >> 56)) {
        case request::accept:
            if (done.res >= 0) receive(static_cast<std::uint32_t>(done.res));
            if ((done.flags & IORING_CQE_F_MORE) == 0) accept_more();
            return;
        case request::receive:
            if (done.res > 0)
                send(slot, done.res);
            else
                close(slot);
            return;
        case request::send:
            if (done.res > 0)
                receive(slot);
            else
                close(slot);
            return;
        case request::close: return;
        case request::stop: stopped_ = true; return;
        }
    }

    raw_ring ring_;
    std::uint32_t bytes_;
    std::vector<std::unique_ptr<char[]>> buffers_;
    int listener_ = -1;
    bool stopped_ = false;
};

}  // namespace

int serve_single(const floor_options& options) {
    server(options).run();
    return 0;
}

}  // namespace echo
