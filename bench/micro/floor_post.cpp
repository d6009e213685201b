// SPDX-License-Identifier: MIT
// Messages from thread to thread without loops: a list that senders push to and the receiver takes
// whole, and an eventfd that is written only when the receiver sleeps. Windows as in the bench
// beside it.
#include "micro.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace {

constexpr std::size_t window = 256;

struct message {
    message* next = nullptr;
    bool last = false;  // of its window
};

class mailbox {
public:
    mailbox() : bell_(::eventfd(0, EFD_CLOEXEC)) {
        if (bell_ < 0) std::abort();
    }
    mailbox(const mailbox&) = delete;
    mailbox& operator=(const mailbox&) = delete;
    ~mailbox() { ::close(bell_); }

    void post(message& one) {
        message* head = head_.load(std::memory_order_relaxed);
        do {
            one.next = head == &asleep_ ? nullptr : head;
        } while (!head_.compare_exchange_weak(head, &one, std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        if (head != &asleep_) return;
        const std::uint64_t ring = 1;
        if (::write(bell_, &ring, sizeof ring) != sizeof ring) std::abort();
    }

    /// What is there, oldest first, once something is.
    message* take_all() {
        message* newest = head_.exchange(nullptr, std::memory_order_acq_rel);
        while (newest == nullptr) {
            message* nothing = nullptr;
            if (head_.compare_exchange_strong(nothing, &asleep_, std::memory_order_acq_rel)) {
                std::uint64_t rings = 0;
                if (::read(bell_, &rings, sizeof rings) != sizeof rings) std::abort();
            }
            newest = head_.exchange(nullptr, std::memory_order_acq_rel);
        }
        message* oldest = nullptr;
        while (newest != nullptr) {
            message* const before = newest->next;
            newest->next = oldest;
            oldest = newest;
            newest = before;
        }
        return oldest;
    }

private:
    message asleep_;  // at the head while the receiver sleeps
    std::atomic<message*> head_{nullptr};
    int bell_;
};

// The receiver's side: answers the last message of each window.
void receive(mailbox& mine, mailbox& senders, long count) {
    message answer;
    for (long received = 0; received < count;)
        for (message* one = mine.take_all(); one != nullptr;) {
            message* const next = one->next;
            ++received;
            if (one->last) senders.post(answer);
            one = next;
        }
}

// The time is that of both threads.
void post_to_a_thread(micro::stopwatch* watch, long operations) {
    const long size = static_cast<long>(window);
    const long count = (operations + size - 1) / size * size;
    mailbox to, back;
    std::array<message, window> messages;
    messages.back().last = true;
    micro::stopwatch receiving;
    std::jthread other([&] {
        receiving.begin();
        receive(to, back, count);
        receiving.end(count);
    });
    watch->begin();
    for (long sent = 0; sent < count; sent += size) {
        for (message& one : messages)
            to.post(one);
        if (back.take_all() == nullptr) std::abort();
    }
    watch->end(count);
    other.join();
    watch->ns += receiving.ns;
    watch->made += receiving.made;
}

constexpr std::array benches{
    micro::floor_bench{"floor_cross_shard_post", post_to_a_thread},
};

}  // namespace

std::span<const micro::floor_bench> micro::post_floors() { return benches; }
