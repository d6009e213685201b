// SPDX-License-Identifier: MIT
// How to wake a loop that sleeps on another thread: an eventfd that its ring polls, which is what
// runtime/doorbell.hpp does, beside IORING_OP_MSG_RING from the sender's ring. Two threads wake
// each other in turn; time on the wall and processor time of both, for one wake.
#include <liburing.h>

#include <algorithm>
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
#include <vector>

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

struct figure {
    double wall_ns = 0;
    double processor_ns = 0;
};

figure measure(way by, int wakes) {
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
    const double wall = seconds(CLOCK_MONOTONIC);
    const double start = seconds(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < wakes; ++i) {
        first.wake(second, by);
        first.sleep();
    }
    const double wall_taken = seconds(CLOCK_MONOTONIC) - wall;
    first.processor_seconds = seconds(CLOCK_THREAD_CPUTIME_ID) - start;
    other.join();
    return {wall_taken * 1e9 / (2.0 * wakes),
            (first.processor_seconds + second.processor_seconds) * 1e9 / (2.0 * wakes)};
}

void print(const char* name, std::vector<figure>& all) {
    const auto by_processor = [](const figure& a, const figure& b) {
        return a.processor_ns < b.processor_ns;
    };
    std::sort(all.begin(), all.end(), by_processor);
    const double processor = all[all.size() / 2].processor_ns;
    std::sort(all.begin(), all.end(),
              [](const figure& a, const figure& b) { return a.wall_ns < b.wall_ns; });
    std::printf("%s\t%.0f\t%.0f\t%.0f\n", name, processor, all[all.size() / 2].wall_ns,
                all.front().wall_ns);
}

}  // namespace

int main(int count, char** arguments) {
    const bool small = count > 1 && std::string_view(arguments[1]) == "--small";
    const int wakes = small ? 50 : 20'000;
    const int rounds = small ? 1 : 9;
    std::vector<figure> by_eventfd;
    std::vector<figure> by_msg_ring;
    for (int i = 0; i < rounds; ++i) {
        by_eventfd.push_back(measure(way::eventfd, wakes));
        by_msg_ring.push_back(measure(way::msg_ring, wakes));
    }
    std::printf("one wake\tprocessor ns\twall ns\twall min ns\n");
    print("eventfd", by_eventfd);
    print("msg_ring", by_msg_ring);
}
