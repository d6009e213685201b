// SPDX-License-Identifier: MIT
#include "raw_ring.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/tcp.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace echo {

namespace {
constexpr std::size_t page = 4096;

void* pages(std::size_t bytes) {
    void* memory = std::aligned_alloc(page, (bytes + page - 1) / page * page);
    if (memory == nullptr) give_up("allocate buffers", ENOMEM);
    std::memset(memory, 0, bytes);
    return memory;
}
}  // namespace

void give_up(const char* what, int error) {
    std::fprintf(stderr, "echo: cannot %s: %s\n", what, std::strerror(error));
    std::exit(1);
}

raw_ring::raw_ring(unsigned entries, unsigned completions) {
    io_uring_params setup{};
    setup.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    setup.cq_entries = completions;
    const int made = io_uring_queue_init_params(entries, &ring_, &setup);
    if (made < 0) give_up("set up io_uring", -made);
    (void)io_uring_register_ring_fd(&ring_);
}

raw_ring::~raw_ring() { io_uring_queue_exit(&ring_); }

void raw_ring::reserve_descriptors(unsigned count) {
    const int done = io_uring_register_files_sparse(&ring_, count);
    if (done < 0) give_up("register a table of descriptors", -done);
}

io_uring_sqe& raw_ring::entry() noexcept {
    io_uring_sqe* free = io_uring_get_sqe(&ring_);
    while (free == nullptr) {
        ++enters_;
        (void)io_uring_submit(&ring_);
        free = io_uring_get_sqe(&ring_);
    }
    return *free;
}

void raw_ring::submit_and_wait(unsigned count) noexcept {
    ++enters_;
    const int done = io_uring_submit_and_wait(&ring_, count);
    if (done < 0 && done != -EINTR) give_up("wait for completions", -done);
}

void raw_buffers::freed::operator()(void* memory) const noexcept { std::free(memory); }

raw_buffers::raw_buffers(raw_ring& ring, std::uint32_t count, std::uint32_t bytes)
    : count_(count), bytes_(bytes), memory_(static_cast<char*>(pages(std::size_t{count} * bytes))),
      ring_(static_cast<io_uring_buf_ring*>(pages(count * sizeof(io_uring_buf)))) {
    io_uring_buf_reg known{};
    known.ring_addr = reinterpret_cast<std::uint64_t>(ring_.get());
    known.ring_entries = count;
    known.bgid = group;
    io_uring_buf_ring_init(ring_.get());
    const int done = io_uring_register_buf_ring(&ring.native(), &known, 0);
    if (done < 0) give_up("register a buffer ring", -done);
    for (std::uint32_t id = 0; id < count; ++id)
        put(id);
    publish();
}

void raw_buffers::put(std::uint32_t id) noexcept {
    io_uring_buf_ring_add(ring_.get(), address(id), bytes_, static_cast<unsigned short>(id),
                          static_cast<int>(count_ - 1), waiting_++);
}

void raw_buffers::publish() noexcept {
    if (waiting_ == 0) return;
    io_uring_buf_ring_advance(ring_.get(), waiting_);
    waiting_ = 0;
}

int listen_on(std::uint16_t port) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    (void)::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in local{};
    local.sin_family = AF_INET;
    local.sin_port = htons(port);
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener, reinterpret_cast<sockaddr*>(&local), sizeof local) != 0 ||
        ::listen(listener, 4096) != 0)
        give_up("listen", errno);
    socklen_t size = sizeof local;
    (void)::getsockname(listener, reinterpret_cast<sockaddr*>(&local), &size);
    std::printf("listening on 127.0.0.1:%u\n", ntohs(local.sin_port));
    std::fflush(stdout);
    return listener;
}

int termination() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    (void)::sigprocmask(SIG_BLOCK, &set, nullptr);
    const int made = ::signalfd(-1, &set, SFD_CLOEXEC);
    if (made < 0) give_up("make a signalfd", errno);
    return made;
}

}  // namespace echo
