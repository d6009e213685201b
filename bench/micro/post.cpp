// SPDX-License-Identifier: MIT
#include "micro.hpp"
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/run.hpp>
#include <ringfence/sync/event.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <thread>

namespace {

constexpr long window = 256;  // messages under way before the other loop answers

struct pair;

struct message : rf::inbox_message {
    pair* between = nullptr;
    bool last = false;  // of its window
};

// A loop that receives, and the one that posts to it. Messages travel in windows: the last of each
// is answered by a message back, which lets the sender go on.
struct pair {
    rf::loop* sender = nullptr;
    rf::loop* receiver = nullptr;
    rf::sync::event* window_done = nullptr;  // the sender's
    rf::sync::event* all_done = nullptr;     // the receiver's
    message answer;
    long received = 0;
    long wanted = 0;
    double receiver_ns = 0;
    double receiver_allocations = 0;
};

void on_answer(rf::inbox_message& arrived) noexcept {
    pair& between = *static_cast<message&>(arrived).between;
    between.sender->post_arrived();
    between.window_done->set();
}

void on_message(rf::inbox_message& arrived) noexcept {
    const auto& one = static_cast<message&>(arrived);
    pair& between = *one.between;
    ++between.received;
    if (!one.last) return;
    if (between.received == between.wanted) {
        between.receiver->post_arrived();
        between.all_done->set();
    }
    between.sender->post(between.answer);
}

rf::task<> receive(pair* between, std::promise<void>* ready) {
    rf::sync::event all;
    between->receiver = &rf::loop::here();
    between->all_done = &all;
    between->receiver->expect_post();
    const std::int64_t start = micro::thread_processor_ns();
    const std::uint64_t made = micro::allocations;
    ready->set_value();
    co_await all.wait();
    between->receiver_ns = static_cast<double>(micro::thread_processor_ns() - start);
    between->receiver_allocations = static_cast<double>(micro::allocations - made);
}

rf::task<> post_all(pair* between) {
    std::array<message, window> messages;
    for (message& one : messages) {
        one.between = between;
        one.run = on_message;
    }
    messages.back().last = true;
    rf::sync::event done;
    between->window_done = &done;
    for (long sent = 0; sent < between->wanted; sent += window) {
        between->sender->expect_post();
        for (message& one : messages)
            between->receiver->post(one);
        co_await done.wait();
        done.reset();
    }
}

// The time is that of both threads.
rf::task<> cross_post(micro::stopwatch* watch, long count) {
    pair between;
    between.sender = &rf::loop::here();
    between.answer.between = &between;
    between.answer.run = on_answer;
    between.wanted = (count + window - 1) / window * window;
    std::promise<void> ready;
    std::jthread other([&] {
        const int status = rf::run([&] { return receive(&between, &ready); });
        if (status != 0) std::abort();
    });
    ready.get_future().wait();
    watch->begin();
    co_await post_all(&between);
    watch->end(between.wanted);
    other.join();
    watch->ns += between.receiver_ns;
    watch->made += between.receiver_allocations;
    if (between.received != between.wanted) std::abort();
}

constexpr std::array benches{
    micro::bench{"cross_shard_post", 2'000'000, cross_post},
};

}  // namespace

std::span<const micro::bench> micro::post_benches() { return benches; }
