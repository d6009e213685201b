// SPDX-License-Identifier: MIT
#include "micro.hpp"
#include <ringfence/runtime/select.hpp>
#include <ringfence/runtime/with_nursery.hpp>
#include <ringfence/sync/channel.hpp>
#include <ringfence/sync/mutex.hpp>
#include <ringfence/sync/semaphore.hpp>

#include <array>
#include <cstdlib>
#include <variant>

namespace {

using rf::sync::channel;

void require(bool truth) {
    if (!truth) std::abort();
}

rf::task<> answer(channel<long>* questions, channel<long>* answers) {
    while (auto question = co_await questions->receive())
        co_await answers->send(*question + 1);
}

rf::task<> rendezvous(micro::stopwatch* watch, long count) {
    channel<long> there(0);
    channel<long> back(0);
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(answer, &there, &back);
        long x = 0;
        watch->begin();
        for (long i = 0; i < count; ++i) {
            co_await there.send(x);
            auto got = co_await back.receive();
            x = *got;
        }
        watch->end(count);
        require(x == count);
        there.close();
    });
}

rf::task<> produce(channel<long>* items, long count) {
    for (long i = 0; i < count; ++i)
        co_await items->send(i);
}

rf::task<> through_64(micro::stopwatch* watch, long count) {
    channel<long> items(64);
    co_await rf::with_nursery([&](rf::nursery& both) -> rf::task<> {
        both.spawn(produce, &items, count);
        long sum = 0;
        watch->begin();
        for (long i = 0; i < count; ++i) {
            auto item = co_await items.receive();
            sum += *item;
        }
        watch->end(count);
        require(sum == count * (count - 1) / 2);
    });
}

// Two producers that a select has to wait for, each time anew.
rf::task<> select_2(micro::stopwatch* watch, long count) {
    channel<long> left(0);
    channel<long> right(0);
    co_await rf::with_nursery([&](rf::nursery& all) -> rf::task<> {
        all.spawn(produce, &left, count / 2);
        all.spawn(produce, &right, count / 2);
        long received = 0;
        watch->begin();
        for (long i = 0; i < count / 2 * 2; ++i) {
            auto won = co_await rf::select(left.receive(), right.receive());
            if (won.index() == 0)
                received += std::get<0>(won) ? 1 : 0;
            else
                received += std::get<1>(won) ? 1 : 0;
        }
        watch->end(count);
        require(received == count / 2 * 2);
    });
}

rf::task<> mutex_uncontended(micro::stopwatch* watch, long count) {
    rf::sync::mutex lock;
    long inside = 0;
    watch->begin();
    for (long i = 0; i < count; ++i) {
        auto held = co_await lock.lock();
        inside += held ? 1 : 0;
    }
    watch->end(count);
    require(inside == count && lock.statistics().locks == static_cast<std::uint64_t>(count));
}

rf::task<> semaphore_uncontended(micro::stopwatch* watch, long count) {
    rf::sync::semaphore places(4);
    long inside = 0;
    watch->begin();
    for (long i = 0; i < count; ++i) {
        auto held = co_await places.acquire();
        inside += held ? 1 : 0;
    }
    watch->end(count);
    require(inside == count && places.available() == 4);
}

constexpr std::array benches{
    micro::bench{"channel_rendezvous_roundtrip", 2'000'000, rendezvous},
    micro::bench{"channel_64_item", 10'000'000, through_64},
    micro::bench{"select_2", 2'000'000, select_2},
    micro::bench{"mutex_uncontended", 20'000'000, mutex_uncontended},
    micro::bench{"semaphore_uncontended", 20'000'000, semaphore_uncontended},
};

}  // namespace

std::span<const micro::bench> micro::sync_benches() { return benches; }
