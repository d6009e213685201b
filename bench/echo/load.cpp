// SPDX-License-Identifier: MIT
// Keeps connections busy and measures what the server pays for it. The load must cost little
// itself: multishot receives, registered descriptors, no completions for sends.
#include "programs.hpp"
#include "raw_ring.hpp"
#include "schedstat.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <vector>

namespace echo {
namespace {

constexpr std::uint32_t receive_bytes_min = 2048;
constexpr std::uint32_t receive_bytes_max = 32 * 1024;
constexpr std::uint64_t send_failed = std::uint64_t{1} << 32;

std::int64_t now_ns() {
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

int connect_to(std::uint16_t port) {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0) give_up("make a socket", errno);
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(port);
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(made, reinterpret_cast<sockaddr*>(&peer), sizeof peer) != 0)
        give_up("connect", errno);
    const int on = 1;
    (void)::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return made;
}

// Middle of what a list of numbers holds; good enough at tens of thousands.
double quantile(std::vector<std::uint32_t>& values, double part) {
    if (values.empty()) return 0;
    const auto at =
        values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at / 1000.0;
}

class client {
public:
    explicit client(const load_options& options)
        : how_(options), window_(options.bytes * options.depth), ring_(4096, 16384),
          buffers_(ring_, std::bit_ceil(2 * std::max(options.connections, 32u)),
                   std::clamp(std::bit_ceil(window_), receive_bytes_min, receive_bytes_max)),
          payload_(window_, 'x'), peers_(options.connections) {
        std::vector<int> descriptors(options.connections);
        for (int& one : descriptors)
            one = connect_to(options.port);
        const int known =
            io_uring_register_files(&ring_.native(), descriptors.data(), options.connections);
        if (known < 0) give_up("register descriptors", -known);
        round_trips_.reserve(1 << 20);
    }

    void run() {
        for (std::uint32_t i = 0; i < how_.connections; ++i)
            receive(i);
        send_to_all();
        const std::int64_t start = now_ns();
        turn_until(start + how_.warm_up_milliseconds * std::int64_t{1'000'000});
        round_trips_.clear();
        const std::uint64_t messages_before = messages_;
        const processor_time before = server_time();
        const std::int64_t begin = now_ns();
        turn_until(begin + how_.milliseconds * std::int64_t{1'000'000});
        const double elapsed = static_cast<double>(now_ns() - begin);
        const processor_time after = server_time();
        const double counted = static_cast<double>(messages_ - messages_before);
        const double running = static_cast<double>(after.running - before.running);
        const double waiting = static_cast<double>(after.waiting - before.waiting);
        std::printf("messages=%.0f messages_all=%llu per_second=%.0f server_us=%.5f "
                    "server_percent=%.1f server_wait_percent=%.1f p50_us=%.1f p99_us=%.1f\n",
                    counted, static_cast<unsigned long long>(messages_), counted / elapsed * 1e9,
                    running / counted / 1e3, running / elapsed * 100, waiting / elapsed * 100,
                    quantile(round_trips_, 0.5), quantile(round_trips_, 0.99));
    }

private:
    struct peer {
        std::uint32_t received = 0;  // of the window that is under way
        std::int64_t sent_at = 0;
    };

    [[nodiscard]] processor_time server_time() const {
        return how_.one_thread ? processor_time_of_thread(how_.server)
                               : processor_time_of(how_.server);
    }

    void receive(std::uint32_t index) {
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_recv_multishot(&sqe, static_cast<int>(index), nullptr, 0, 0);
        sqe.flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
        sqe.ioprio |= IORING_RECVSEND_POLL_FIRST;
        sqe.buf_group = raw_buffers::group;
        sqe.user_data = index;
    }

    void send(std::uint32_t index, std::uint32_t size) {
        io_uring_sqe& sqe = ring_.entry();
        io_uring_prep_send(&sqe, static_cast<int>(index), payload_.data(), size,
                           MSG_WAITALL | MSG_NOSIGNAL);
        sqe.flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
        sqe.user_data = send_failed | index;
    }

    void send_to_all() {
        const std::int64_t now = now_ns();
        answers_awaited_ = how_.connections;
        for (std::uint32_t i = 0; i < how_.connections; ++i) {
            peers_[i].sent_at = now;
            send(i, window_);
        }
    }

    void turn_until(std::int64_t end) {
        std::int64_t now = 0;
        do {
            ring_.submit_and_wait(how_.lockstep ? answers_awaited_ : 1);
            now = now_ns();
            unsigned head = 0;
            unsigned seen = 0;
            io_uring_cqe* done = nullptr;
            io_uring_for_each_cqe(&ring_.native(), head, done) {
                ++seen;
                take(*done, now);
            }
            buffers_.publish();
            io_uring_cq_advance(&ring_.native(), seen);
            if (how_.lockstep && answers_awaited_ == 0) send_to_all();
        } while (now < end);
    }

    void take(const io_uring_cqe& done, std::int64_t now) {
        if (done.user_data >= send_failed) give_up("send", -done.res);
        const auto index = static_cast<std::uint32_t>(done.user_data);
        if (done.res == 0) give_up("go on: the server hung up", ECONNRESET);
        if (done.res < 0 && done.res != -ENOBUFS) give_up("receive", -done.res);
        if ((done.flags & IORING_CQE_F_BUFFER) != 0)
            buffers_.put(done.flags >> IORING_CQE_BUFFER_SHIFT);
        if ((done.flags & IORING_CQE_F_MORE) == 0) receive(index);
        if (done.res > 0) received(index, static_cast<std::uint32_t>(done.res), now);
    }

    // Without lockstep, whole messages are replaced as they come back.
    void received(std::uint32_t index, std::uint32_t size, std::int64_t now) {
        peer& from = peers_[index];
        from.received += size;
        const std::uint32_t unit = how_.lockstep ? window_ : how_.bytes;
        const std::uint32_t units = from.received / unit;
        if (units == 0) return;
        from.received -= units * unit;
        messages_ += how_.lockstep ? how_.depth : units;
        if (round_trips_.size() < round_trips_.capacity())
            round_trips_.push_back(
                static_cast<std::uint32_t>(std::min<std::int64_t>(now - from.sent_at, UINT32_MAX)));
        from.sent_at = now;
        if (how_.lockstep)
            --answers_awaited_;
        else
            send(index, units * unit);
    }

    load_options how_;
    std::uint32_t window_;  // bytes of a connection under way
    raw_ring ring_;
    raw_buffers buffers_;
    std::vector<char> payload_;
    std::vector<peer> peers_;
    std::uint32_t answers_awaited_ = 0;
    std::uint64_t messages_ = 0;
    std::vector<std::uint32_t> round_trips_;
};

}  // namespace

int load(const load_options& options) {
    client(options).run();
    return 0;
}

}  // namespace echo
