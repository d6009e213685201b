// SPDX-License-Identifier: MIT
// From thread to thread without coroutines: a ring for one sender and one receiver, batches of 256
// as in the bench beside it, and the kernel's futex when it is full or empty.
#include "micro.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr std::uint64_t batch = 256;
constexpr std::uint64_t room = 16 * batch;

class ring {
public:
    ring() : items_(room) {}
    void send(std::uint64_t first, std::uint64_t count) {
        std::uint64_t taken = taken_.load(std::memory_order_acquire);
        while (first + count - taken > room) {
            taken_.wait(taken, std::memory_order_acquire);
            taken = taken_.load(std::memory_order_acquire);
        }
        for (std::uint64_t i = first; i < first + count; ++i)
            items_[i % room] = i;
        sent_.store(first + count, std::memory_order_release);
        sent_.notify_one();
    }
    /// Adds up what is there, once something is. Returns how many.
    std::uint64_t receive(std::uint64_t first, std::uint64_t& sum) {
        sent_.wait(first, std::memory_order_acquire);
        const std::uint64_t sent = sent_.load(std::memory_order_acquire);
        for (std::uint64_t i = first; i < sent; ++i)
            sum += items_[i % room];
        taken_.store(sent, std::memory_order_release);
        taken_.notify_one();
        return sent - first;
    }

private:
    std::vector<std::uint64_t> items_;
    alignas(64) std::atomic<std::uint64_t> sent_{0};
    alignas(64) std::atomic<std::uint64_t> taken_{0};
};

void between_threads(micro::stopwatch* watch, long operations) {
    const auto count = static_cast<std::uint64_t>(operations);
    ring items;
    watch->begin();
    const std::jthread other([&items, count] {
        for (std::uint64_t first = 0; first < count; first += batch)
            items.send(first, std::min(batch, count - first));
    });
    std::uint64_t sum = 0;
    for (std::uint64_t got = 0; got < count;)
        got += items.receive(got, sum);
    watch->end(operations);
    if (sum != count * (count - 1) / 2) std::abort();
}

constexpr std::array benches{
    micro::floor_bench{"floor_shared_channel_item", between_threads},
};

}  // namespace

std::span<const micro::floor_bench> micro::shared_floors() { return benches; }
