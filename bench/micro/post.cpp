// SPDX-License-Identifier: MIT
#include "micro.hpp"
#include <ringfence/runtime/loop.hpp>
#include <ringfence/runtime/run_sharded.hpp>
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

// The loops of two shards: one that posts, one that receives. Messages travel in windows: the last
// of each is answered by a message back, which lets the sender go on.
struct pair {
    rf::loop* sender = nullptr;
    rf::loop* receiver = nullptr;
    rf::sync::event* window_done = nullptr;  // the sender's
    rf::sync::event* all_done = nullptr;     // the receiver's
    std::promise<void> receiver_ready;
    message answer;
    long received = 0;
    long wanted = 0;
    micro::stopwatch sending;
    micro::stopwatch receiving;
};

void on_answer(rf::inbox_message& arrived) noexcept {
    static_cast<message&>(arrived).between->window_done->set();
}

void on_message(rf::inbox_message& arrived) noexcept {
    const auto& one = static_cast<message&>(arrived);
    pair& between = *one.between;
    ++between.received;
    if (!one.last) return;
    if (between.received == between.wanted) between.all_done->set();
    between.sender->post(between.answer);
}

rf::task<> receive(pair* between) {
    rf::sync::event all;
    between->receiver = &rf::loop::here();
    between->all_done = &all;
    between->receiving.begin();
    between->receiver_ready.set_value();
    co_await all.wait();
    between->receiving.end(between->wanted);
}

rf::task<> post_all(pair* between) {
    std::array<message, window> messages;
    for (message& one : messages) {
        one.between = between;
        one.run = on_message;
    }
    messages.back().last = true;
    rf::sync::event done;
    between->sender = &rf::loop::here();
    between->window_done = &done;
    between->receiver_ready.get_future().wait();
    between->sending.begin();
    for (long sent = 0; sent < between->wanted; sent += window) {
        for (message& one : messages)
            between->receiver->post(one);
        co_await done.wait();
        done.reset();
    }
    between->sending.end(between->wanted);
}

// The time is that of both threads.
rf::task<> cross_post(micro::stopwatch* watch, long count) {
    pair between;
    between.answer.between = &between;
    between.answer.run = on_answer;
    between.wanted = (count + window - 1) / window * window;
    std::jthread shards([&] {
        const int status = rf::run_sharded(2, [&](rf::shard here) {
            return here.index() == 0 ? post_all(&between) : receive(&between);
        });
        if (status != 0) std::abort();
    });
    shards.join();
    watch->ns += between.sending.ns + between.receiving.ns;
    watch->made += between.sending.made + between.receiving.made;
    watch->entered += between.sending.entered + between.receiving.entered;
    watch->count = between.wanted;
    if (between.received != between.wanted) std::abort();
    co_return;
}

constexpr std::array benches{
    micro::bench{"cross_shard_post", 2'000'000, cross_post},
};

}  // namespace

std::span<const micro::bench> micro::post_benches() { return benches; }
