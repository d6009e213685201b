// SPDX-License-Identifier: MIT
// How to wake a loop that sleeps on another thread: an eventfd that its ring polls, which is what
// runtime/doorbell.hpp does, beside IORING_OP_MSG_RING from the sender's ring. Two threads wake
// each other in turn; time on the wall and processor time of both, for one wake.
#include "figure_line.hpp"

#include <liburing.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <latch>
#include <poll.h>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <utility>

namespace {

enum class way : std::uint8_t { eventfd, msg_ring };

constexpr std::uint64_t bell_mark = 1;
constexpr std::uint64_t sent_mark = 2;

double seconds(clockid_t which) {
    timespec now{};
    (void)::clock_gettime(which, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void require(bool held, const char* what) {
    if (held) return;
    std::fprintf(stderr, "doorbell: %s failed\n", what);
    std::exit(77);
}

/// A ring as a loop has it, enabled by the thread that uses it.
struct end {
    io_uring ring{};
    int bell = -1;
    double processor_seconds = 0;
    std::uint64_t calls = 0;  // of the kernel

    end() {
        const unsigned flags =
            IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED;
        require(io_uring_queue_init(64, &ring, flags) == 0, "io_uring_queue_init");
        bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        require(bell >= 0, "eventfd");
    }
    end(const end&) = delete;
    end& operator=(const end&) = delete;
    ~end() {
        io_uring_queue_exit(&ring);
        ::close(bell);
    }

    void begin(way by) {
        require(::syscall(__NR_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS,
                          nullptr, 0) == 0,
                "IORING_REGISTER_ENABLE_RINGS");
        if (by != way::eventfd) return;
        io_uring_sqe* sqe = io_uring_get_sqe(&ring);
        io_uring_prep_poll_multishot(sqe, bell, POLLIN);
        sqe->user_data = bell_mark;
        io_uring_submit(&ring);
    }
    void wake(end& other, way by) {
        if (by == way::eventfd) {
            const std::uint64_t one = 1;
            ++calls;
            require(::write(other.bell, &one, sizeof one) == sizeof one, "write");
            return;
        }
        io_uring_sqe* sqe = io_uring_get_sqe(&ring);
        io_uring_prep_msg_ring(sqe, other.ring.ring_fd, 0, bell_mark, 0);
        sqe->user_data = sent_mark;
        sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    }
    // Hands over what was queued and sleeps in the same call, as the loop does.
    void sleep() {
        for (;;) {
            ++calls;
            io_uring_submit_and_wait(&ring, 1);
            io_uring_cqe* cqe = nullptr;
            bool rung = false;
            while (io_uring_peek_cqe(&ring, &cqe) == 0) {
                require(cqe->res >= 0, std::strerror(-cqe->res));
                rung = rung || cqe->user_data == bell_mark;
                io_uring_cqe_seen(&ring, cqe);
            }
            if (rung) return;
        }
    }
};

/// Of one wake.
struct found {
    figure_line::figure processor;
    figure_line::figure wall;
};

void measure(way by, int wakes, found& to) {
    end first;
    end second;
    std::latch both_enabled(2);
    std::jthread other([&] {
        second.begin(by);
        both_enabled.arrive_and_wait();
        const double start = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (int i = 0; i < wakes; ++i) {
            second.sleep();
            second.wake(first, by);
        }
        io_uring_submit(&second.ring);
        second.processor_seconds = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    });
    first.begin(by);
    both_enabled.arrive_and_wait();  // a message to a ring that is not is refused
    const std::uint64_t allocated = figure_line::allocations;
    const double wall = seconds(CLOCK_MONOTONIC);
    const double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < wakes; ++i) {
        first.wake(second, by);
        first.sleep();
    }
    const double wall_taken = seconds(CLOCK_MONOTONIC) - wall;
    first.processor_seconds = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    other.join();
    const double count = 2.0 * wakes;
    to.processor.values.push_back((first.processor_seconds + second.processor_seconds) * 1e9 /
                                  count);
    to.processor.allocations = static_cast<double>(figure_line::allocations - allocated) / count;
    to.processor.system_calls = static_cast<double>(first.calls + second.calls) / count;
    to.wall.values.push_back(wall_taken * 1e9 / count);
}

}  // namespace

int main(int count, char** arguments) {
    const bool small = count > 1 && std::string_view(arguments[1]) == "--small";
    const int wakes = small ? 50 : 20'000;
    const int rounds = small ? 1 : 9;
    found by_eventfd;
    found by_msg_ring;
    for (int i = 0; i < rounds; ++i) {
        measure(way::eventfd, wakes, by_eventfd);
        measure(way::msg_ring, wakes, by_msg_ring);
    }
    figure_line::print("eventfd processor", "ns", std::move(by_eventfd.processor));
    figure_line::print("msg_ring processor", "ns", std::move(by_msg_ring.processor));
    figure_line::print("eventfd wall", "ns", std::move(by_eventfd.wall));
    figure_line::print("msg_ring wall", "ns", std::move(by_msg_ring.wall));
}
